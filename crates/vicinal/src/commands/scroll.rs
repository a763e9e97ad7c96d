//! `vicinal scroll`.

use super::get::print;
use crate::connection::{Target, block_on};
use crate::failure::Failure;
use crate::filter::FilterArgs;
use crate::output;
use vicinal_client::proto::Direction;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal scroll -c words
  vicinal scroll -c words --order-by relations --descending -n 10
  vicinal scroll -c words --order-by id --descending
  vicinal scroll -c words --filter 'relations >= 10' --order-by word --columns word,gloss
  vicinal scroll -c words -n 16384 --columns '**' --json    vectors, too";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,

    /// Show rows in the order of this column of bools, numbers, timestamps or strings, nulls
    /// last, or of `id`. In no particular order if not said.
    #[arg(long, value_name = "COLUMN")]
    order_by: Option<String>,

    /// Begin with the greatest value.
    #[arg(long, requires = "order_by")]
    descending: bool,

    /// Rows to show.
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
    limit: u32,

    #[command(flatten)]
    filter: FilterArgs,

    /// Columns wanted; `*`: all scalar columns, `**`: vectors, too.
    #[arg(long, value_delimiter = ',', default_value = "*", value_name = "NAMES")]
    columns: Vec<String>,

    /// Print JSON: one line a row.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let collection = args.target.connect().await?;
        let columns = args.columns.iter().filter(|column| !column.is_empty()).cloned();
        let mut pages = collection.scroll().columns(columns).page_rows(args.limit);
        if let Some(column) = &args.order_by {
            let down = args.descending;
            let direction = if down { Direction::Descending } else { Direction::Ascending };
            pages = pages.order_by(column, direction);
        }
        if let Some(filter) = args.filter.filter()? {
            pages = pages.filter(filter);
        }
        match pages.next_page().await? {
            Some(rows) => print(&rows, args.json),
            None => {
                output::note("no row passes the filter, or there are none");
                Ok(())
            }
        }
    })
}
