//! `vicinal count`.

use crate::connection::{Target, block_on};
use crate::failure::Failure;
use crate::filter::FilterArgs;
use crate::output;
use serde_json::json;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal count -c words
  vicinal count -c words --json
  vicinal count -c words --filter 'relations >= 10'";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    filter: FilterArgs,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let collection = args.target.connect().await?;
        let rows = match args.filter.filter()? {
            None => collection.count().await?,
            Some(filter) => collection.count_where(filter).await?,
        };
        if args.json { output::json(&json!({ "rows": rows })) } else { output::line(rows) }
    })
}
