//! `vicinal count`.

use crate::connection::{Target, block_on};
use crate::failure::Failure;
use crate::output;
use serde_json::json;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal count -c words
  vicinal count -c words --json";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let rows = args.target.connect().await?.count().await?;
        if args.json { output::json(&json!({ "rows": rows })) } else { output::line(rows) }
    })
}
