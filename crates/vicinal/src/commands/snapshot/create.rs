//! `vicinal snapshot create`.

use super::list::json_of;
use super::{Store, follow, plural};
use crate::connection::block_on;
use crate::failure::Failure;
use crate::output;
use vicinal_client::proto::CreateSnapshotRequest;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal snapshot create                                   all collections
  vicinal snapshot create -c words -c names --store s3://bucket/vicinal
  vicinal snapshot create -c words --label nightly --json";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    store: Store,

    /// Name or alias of a collection; several with several flags. Default: all.
    #[arg(long = "collection", short = 'c', value_name = "NAME")]
    collections: Vec<String>,

    /// Whatever helps to tell it from others.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    label: String,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let client = args.store.connection.connect().await?;
        let request = CreateSnapshotRequest {
            store: args.store.store.clone(),
            database: String::new(),
            collections: args.collections.clone(),
            label: args.label.clone(),
        };
        let bar = output::bytes_bar("copying");
        let snapshot = client.create_snapshot(request, follow(&bar)).await;
        bar.finish_and_clear();
        let snapshot = snapshot?;
        if args.json {
            let mut json = json_of(&snapshot);
            json["written_files"] = snapshot.written_files.into();
            json["written_bytes"] = snapshot.written_bytes.into();
            return output::json(&json);
        }
        let rows = snapshot.collections.iter().map(|of| of.rows).sum();
        let bytes = snapshot.collections.iter().map(|of| of.bytes).sum();
        output::line(format_args!(
            "snapshot {}: {}, {}, {}; written: {}, {}",
            snapshot.id,
            plural(snapshot.collections.len() as u64, "collection"),
            plural(rows, "row"),
            output::bytes(bytes),
            plural(snapshot.written_files, "file"),
            output::bytes(snapshot.written_bytes),
        ))
    })
}
