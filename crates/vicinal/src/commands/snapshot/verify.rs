//! `vicinal snapshot verify`.

use super::{Store, follow, plural};
use crate::connection::block_on;
use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use serde_json::json;
use vicinal_client::proto::VerifiedSnapshot;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal snapshot verify 20261121T140000Z-1a2b3c4d
  vicinal snapshot verify 20261121T140000Z-1a2b3c4d --json";

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
        let bar = output::bytes_bar("reading");
        let store = &args.store.store;
        let verified = client.verify_snapshot(store, &args.snapshot, follow(&bar)).await;
        bar.finish_and_clear();
        let verified = verified?;
        print(args, &verified)?;
        if verified.damaged.is_empty() {
            return Ok(());
        }
        let (damaged, all) = (verified.damaged.len() as u64, plural(verified.files, "file"));
        Err(Failure::new(format!(
            "{} of {all} of snapshot {} cannot be restored; take another one",
            output::count(damaged),
            args.snapshot
        )))
    })
}

fn print(args: &Args, verified: &VerifiedSnapshot) -> Result<(), Failure> {
    if args.json {
        let damaged = verified.damaged.iter().map(|file| {
            json!({
                "key": file.key, "database": file.database, "collection": file.collection,
                "name": file.name, "reason": file.reason,
            })
        });
        return output::json(&json!({
            "snapshot": args.snapshot, "files": verified.files, "bytes": verified.bytes,
            "damaged": damaged.collect::<Vec<_>>(),
        }));
    }
    if verified.damaged.is_empty() {
        return output::line(format_args!(
            "snapshot {} is whole: {}, {}",
            args.snapshot,
            plural(verified.files, "file"),
            output::bytes(verified.bytes)
        ));
    }
    let mut grid = Grid::new(&[("collection", Align::Left), ("damage", Align::Left)]);
    for file in &verified.damaged {
        grid.row([file.collection.clone(), file.reason.clone()]);
    }
    grid.print()
}
