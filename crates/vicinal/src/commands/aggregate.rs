//! `vicinal aggregate`.

use crate::connection::{Target, block_on};
use crate::failure::Failure;
use crate::filter::FilterArgs;
use crate::output::{self, Align, Grid};
use serde_json::{Map, Value as Json};
use vicinal_client::Groups;
use vicinal_client::proto::{Function, GroupOrder, TimeUnit};

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal aggregate -c words --by category                      facets: how many rows of each value
  vicinal aggregate -c words --by category --figures avg:relations,max:relations
  vicinal aggregate -c words --figures min:price,sum:price --json
  vicinal aggregate -c logs --by at --per day --order key -n 31";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,

    /// The column whose values make the groups: bools, integers, timestamps, strings or
    /// arrays of these, whose rows count once for each distinct item. One group of all rows
    /// if not said.
    #[arg(long, value_name = "COLUMN")]
    by: Option<String>,

    /// Group a timestamp column by stretches of time: second, minute, hour, day, week,
    /// month, quarter or year.
    #[arg(long, value_enum, requires = "by", value_name = "UNIT", hide_possible_values = true)]
    per: Option<Per>,

    /// What to compute of each group: count, min, max, sum or avg of a column.
    #[arg(long, value_delimiter = ',', value_name = "FUNCTION:COLUMN", value_parser = figure)]
    figures: Vec<Figure>,

    /// Which groups come first: those with the most rows, or those with the least key.
    #[arg(long, value_enum, default_value_t = Order::Count, value_name = "count|key", hide_possible_values = true)]
    order: Order,

    /// Groups to show.
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
    limit: u32,

    #[command(flatten)]
    filter: FilterArgs,

    /// Print JSON: one line a group.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Per {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Order {
    Count,
    Key,
}

/// A function of a column.
#[derive(Clone, Debug)]
struct Figure {
    /// `avg(price)`
    title: String,
    function: Function,
    column: String,
}

fn figure(text: &str) -> Result<Figure, String> {
    let wrong =
        || format!("{text:?} is not of the form FUNCTION:COLUMN, with count, min, max, sum or avg");
    let (name, column) = text.split_once(':').ok_or_else(wrong)?;
    let function = match name {
        "count" => Function::Count,
        "min" => Function::Min,
        "max" => Function::Max,
        "sum" => Function::Sum,
        "avg" => Function::Avg,
        _ => return Err(wrong()),
    };
    Ok(Figure { title: format!("{name}({column})"), function, column: column.to_owned() })
}

impl Per {
    fn unit(self) -> TimeUnit {
        match self {
            Self::Second => TimeUnit::Second,
            Self::Minute => TimeUnit::Minute,
            Self::Hour => TimeUnit::Hour,
            Self::Day => TimeUnit::Day,
            Self::Week => TimeUnit::Week,
            Self::Month => TimeUnit::Month,
            Self::Quarter => TimeUnit::Quarter,
            Self::Year => TimeUnit::Year,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let collection = args.target.connect().await?;
        let order = match args.order {
            Order::Count => GroupOrder::Count,
            Order::Key => GroupOrder::Key,
        };
        let mut asked = collection.aggregate().order(order).limit(args.limit);
        asked = match (&args.by, args.per) {
            (Some(column), Some(per)) => asked.group_by_time(column, per.unit()),
            (Some(column), None) => asked.group_by(column),
            (None, _) => asked,
        };
        for figure in &args.figures {
            asked = asked.figure(figure.function, &figure.column);
        }
        if let Some(filter) = args.filter.filter()? {
            asked = asked.filter(filter);
        }
        let found = asked.send().await?;
        if args.json { print_json(args, &found) } else { print_table(args, &found) }
    })
}

fn print_json(args: &Args, found: &Groups) -> Result<(), Failure> {
    for group in &found.groups {
        let mut line = Map::new();
        if let Some(column) = &args.by {
            line.insert(column.clone(), output::value_json(&group.key()));
        }
        line.insert("rows".into(), group.rows.into());
        for (figure, value) in args.figures.iter().zip(group.values()) {
            line.insert(figure.title.clone(), output::value_json(&value));
        }
        output::json(&Json::Object(line))?;
    }
    Ok(())
}

fn print_table(args: &Args, found: &Groups) -> Result<(), Failure> {
    let key = args.by.iter().map(|column| (column.as_str(), Align::Left));
    let figures = args.figures.iter().map(|figure| (figure.title.as_str(), Align::Right));
    let columns: Vec<_> = key.chain([("rows", Align::Right)]).chain(figures).collect();
    let mut grid = Grid::new(&columns);
    for group in &found.groups {
        let key = args.by.iter().map(|_| output::cell(&group.key()));
        let cells = key.chain([output::count(group.rows)]);
        grid.row(cells.chain(group.values().map(|value| output::cell(&value))));
    }
    grid.print()?;
    let left = found.group_count.saturating_sub(found.groups.len() as u64);
    if left > 0 {
        output::note(format!("and {} more groups; -n shows more", output::count(left)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_a_function_of_a_column() {
        let Figure { function, column, .. } = figure("avg:price").expect("a figure");
        assert_eq!((function, column.as_str()), (Function::Avg, "price"));
        for wrong in ["price", "mean:price", "avg(price)", ""] {
            assert!(figure(wrong).is_err_and(|error| error.contains("FUNCTION:COLUMN")), "{wrong}");
        }
    }
}
