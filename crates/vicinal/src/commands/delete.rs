//! `vicinal delete`.

use crate::connection::{Target, block_on, parse_ids};
use crate::failure::Failure;
use crate::filter::FilterArgs;
use crate::output;
use serde_json::json;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal delete -c words 42 43
  vicinal delete -c words --filter 'relations < {least}' --param least=2";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,

    /// The ids of rows to delete; or else --filter.
    #[arg(value_name = "ID", required_unless_present = "filter", conflicts_with = "filter")]
    ids: Vec<String>,

    #[command(flatten)]
    filter: FilterArgs,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let collection = args.target.connect().await?;
        let answer = match args.filter.filter()? {
            Some(filter) => collection.delete_where(filter).await?,
            None => {
                let spec = collection.describe().await?.spec.unwrap_or_default();
                collection.delete(parse_ids(&args.ids, &spec)?).await?
            }
        };
        let rows = answer.deleted;
        if args.json {
            return output::json(&json!({ "deleted": rows }));
        }
        output::note(format_args!("deleted {} rows", output::count(rows)));
        Ok(())
    })
}
