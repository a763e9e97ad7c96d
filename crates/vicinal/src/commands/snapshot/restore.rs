//! `vicinal snapshot restore`.

use super::{Store, follow, plural};
use crate::connection::block_on;
use crate::failure::Failure;
use crate::output;
use serde_json::json;
use vicinal_client::proto::RestoreSnapshotRequest;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal snapshot restore 20261121T140000Z-1a2b3c4d
  vicinal snapshot restore 20261121T140000Z-1a2b3c4d -c words --into words_before
  vicinal snapshot restore 20261121T140000Z-1a2b3c4d --aliases --json";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    store: Store,

    /// The snapshot, as `vicinal snapshot list` names it.
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,

    /// The collection to restore, by the name it had. Default: all of the snapshot.
    #[arg(long, short = 'c', value_name = "NAME")]
    collection: Option<String>,

    /// The name that the collection gets. Default: the one it had.
    #[arg(long, requires = "collection", value_name = "NAME")]
    into: Option<String>,

    /// The database that it comes into. Default: the one it was in.
    #[arg(long, value_name = "NAME")]
    into_database: Option<String>,

    /// Set the aliases that it had, too; they are moved if they point elsewhere.
    #[arg(long)]
    aliases: bool,

    /// Print JSON: one line a collection.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let client = args.store.connection.connect().await?;
        let request = RestoreSnapshotRequest {
            store: args.store.store.clone(),
            snapshot: args.snapshot.clone(),
            collection: args.collection.clone().unwrap_or_default(),
            into_database: args.into_database.clone().unwrap_or_default(),
            into_collection: args.into.clone().unwrap_or_default(),
            aliases: args.aliases,
        };
        let bar = output::bytes_bar("restoring");
        let restored = client.restore_snapshot(request, follow(&bar)).await;
        bar.finish_and_clear();
        for of in restored? {
            if args.json {
                output::json(&json!({
                    "database": of.database, "collection": of.collection,
                    "collection_id": of.collection_id, "rows": of.rows, "bytes": of.bytes,
                }))?;
                continue;
            }
            output::line(format_args!(
                "restored `{}`: {}, {}",
                of.collection,
                plural(of.rows, "row"),
                output::bytes(of.bytes)
            ))?;
        }
        Ok(())
    })
}
