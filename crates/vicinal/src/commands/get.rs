//! `vicinal get`.

use crate::connection::{Target, block_on, parse_ids};
use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use serde_json::{Map, Value};
use vicinal_client::{RowId, Rows};

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal get -c words 42
  vicinal get -c words 42 43 --columns word,gloss
  vicinal get -c words 42 --columns '**' --json        vectors, too";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,

    /// Ids of the rows.
    #[arg(required = true, value_name = "ID", allow_negative_numbers = true)]
    ids: Vec<String>,

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
        let spec = collection.describe().await?.spec.unwrap_or_default();
        let ids = parse_ids(&args.ids, &spec)?;
        let columns: Vec<_> = args.columns.iter().map(String::as_str).collect();
        let rows = collection.get(ids, &columns).await?;
        let missing = args.ids.len() - rows.len().min(args.ids.len());
        print(&rows, args.json)?;
        if missing > 0 {
            let (asked, name) = (args.ids.len(), collection.name());
            let reason = format!("{missing} of {asked} ids are not in `{name}`");
            return Err(Failure::new(reason));
        }
        Ok(())
    })
}

/// Prints rows as lines of JSON or as a table.
pub(super) fn print(rows: &Rows, as_json: bool) -> Result<(), Failure> {
    let names: Vec<_> = rows.column_names().map(String::from).collect();
    if as_json {
        for row in 0..rows.len() {
            output::json(&row_json(rows, row))?;
        }
        return Ok(());
    }
    let columns = names.iter().map(|name| (name.as_str(), Align::Left));
    let columns: Vec<_> = std::iter::once(("id", Align::Right)).chain(columns).collect();
    let mut grid = Grid::new(&columns);
    for row in 0..rows.len() {
        grid.row(row_cells(rows, row, &names));
    }
    if rows.is_empty() { Ok(()) } else { grid.print() }
}

/// A row as a JSON object.
pub(super) fn row_json(rows: &Rows, row: usize) -> Map<String, Value> {
    let id = match rows.ids().get(row) {
        RowId::Int(id) => id.into(),
        RowId::Str(id) => id.into(),
    };
    let mut object = Map::new();
    object.insert("id".into(), id);
    for name in rows.column_names() {
        if let Some(value) = rows.value(name, row) {
            object.insert(name.to_owned(), output::value_json(&value));
        }
    }
    object
}

/// A row as cells of a table, the id first.
pub(super) fn row_cells(rows: &Rows, row: usize, names: &[String]) -> Vec<String> {
    let id = match rows.ids().get(row) {
        RowId::Int(id) => id.to_string(),
        RowId::Str(id) => id,
    };
    let value = |name: &String| rows.value(name, row).map_or_else(String::new, |v| v.to_string());
    std::iter::once(id).chain(names.iter().map(value)).collect()
}
