//! `vicinal snapshot delete`.

use super::{Store, plural};
use crate::connection::block_on;
use crate::failure::Failure;
use crate::output;
use serde_json::json;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal snapshot delete 20261121T140000Z-1a2b3c4d
  vicinal snapshot delete 20261121T140000Z-1a2b3c4d --json";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    store: Store,

    /// The snapshot, as `vicinal snapshot list` names it.
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let client = args.store.connection.connect().await?;
        let deleted = client.delete_snapshot(&args.store.store, &args.snapshot).await?;
        if args.json {
            return output::json(&json!({
                "snapshot": args.snapshot, "removed_files": deleted.removed_files,
                "removed_bytes": deleted.removed_bytes,
            }));
        }
        output::line(format_args!(
            "deleted {}: {}, {}, which no other snapshot needs",
            args.snapshot,
            plural(deleted.removed_files, "file"),
            output::bytes(deleted.removed_bytes)
        ))
    })
}
