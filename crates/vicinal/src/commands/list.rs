//! `vicinal list`.

use crate::connection::{Connection, block_on};
use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use serde_json::json;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal list
  vicinal list --address 127.0.0.1:7878 --json";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,

    /// Print JSON: one line a collection.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let client = args.connection.connect().await?;
        let collections = client.list().await?;
        let aliases = client.aliases().await?;
        let aliases_of = |name: &str| {
            let here = aliases.iter().filter(|alias| alias.collection == name);
            here.map(|alias| alias.alias.clone()).collect::<Vec<_>>()
        };
        if args.json {
            for collection in &collections {
                output::json(&json!({
                    "collection": collection.name,
                    "collection_id": collection.collection_id,
                    "rows": collection.rows,
                    "aliases": aliases_of(&collection.name),
                }))?;
            }
            return Ok(());
        }
        if collections.is_empty() {
            output::note("no collections yet: `vicinal import` or `vicinal apply` makes one");
            return Ok(());
        }
        let columns =
            [("collection", Align::Left), ("rows", Align::Right), ("aliases", Align::Left)];
        let mut grid = Grid::new(&columns);
        for collection in &collections {
            let aliases = aliases_of(&collection.name).join(" ");
            grid.row([collection.name.clone(), output::count(collection.rows), aliases]);
        }
        grid.print()
    })
}
