//! `vicinal snapshot list`.

use super::Store;
use crate::connection::block_on;
use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use serde_json::{Value, json};
use vicinal_client::proto::Snapshot;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal snapshot list
  vicinal snapshot list --json";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    store: Store,

    /// Print JSON: one line a snapshot.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let client = args.store.connection.connect().await?;
        let snapshots = client.list_snapshots(&args.store.store).await?;
        if args.json {
            return snapshots.iter().try_for_each(|snapshot| output::json(&json_of(snapshot)));
        }
        if snapshots.is_empty() {
            output::note("no snapshots yet: `vicinal snapshot create` makes one");
            return Ok(());
        }
        let columns = [
            ("snapshot", Align::Left),
            ("collections", Align::Left),
            ("rows", Align::Right),
            ("files", Align::Right),
            ("bytes", Align::Right),
            ("label", Align::Left),
        ];
        let mut grid = Grid::new(&columns);
        for snapshot in &snapshots {
            grid.row(cells(snapshot));
        }
        grid.print()
    })
}

fn cells(snapshot: &Snapshot) -> [String; 6] {
    let of = &snapshot.collections;
    let names: Vec<_> = of.iter().map(|of| of.collection.as_str()).collect();
    let label = if snapshot.damage.is_empty() { &snapshot.label } else { &snapshot.damage };
    [
        snapshot.id.clone(),
        names.join(" "),
        output::count(of.iter().map(|of| of.rows).sum()),
        output::count(of.iter().map(|of| of.files).sum()),
        output::bytes(of.iter().map(|of| of.bytes).sum()),
        label.clone(),
    ]
}

/// A snapshot as JSON.
pub(super) fn json_of(snapshot: &Snapshot) -> Value {
    if !snapshot.damage.is_empty() {
        return json!({ "snapshot": snapshot.id, "damage": snapshot.damage });
    }
    let collections = snapshot.collections.iter().map(|of| {
        json!({
            "database": of.database, "collection": of.collection, "rows": of.rows,
            "files": of.files, "bytes": of.bytes, "aliases": of.aliases,
        })
    });
    json!({
        "snapshot": snapshot.id,
        "label": snapshot.label,
        "created_us": snapshot.created_us,
        "server_version": snapshot.server_version,
        "collections": collections.collect::<Vec<_>>(),
    })
}
