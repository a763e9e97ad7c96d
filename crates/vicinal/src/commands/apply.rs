//! `vicinal apply`.

use crate::collection_file::CollectionFile;
use crate::connection::{Connection, block_on};
use crate::failure::Failure;
use crate::indexing;
use crate::output::{self, Align, Grid};
use serde_json::json;
use std::path::PathBuf;
use vicinal_client::Apply;
use vicinal_client::proto::ApplyCollectionResponse;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal apply -f configs/collection.yaml
  vicinal apply -f configs/collection.yaml --dry-run       only show the difference
  vicinal apply -f configs/collection.yaml --drop-columns  drop columns that are not in it
  vicinal apply -f configs/collection.yaml --wait          until live segments are re-indexed";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,

    /// The file that declares the collection.
    #[arg(long, short = 'f', value_name = "FILE")]
    file: PathBuf,

    /// Only show what would change.
    #[arg(long)]
    dry_run: bool,

    /// Drop columns that the file does not have, with their values.
    #[arg(long)]
    drop_columns: bool,

    /// Wait, behind a bar, until live segments are re-indexed; so it is on a terminal.
    #[arg(long, conflicts_with = "no_wait")]
    wait: bool,

    /// Do not wait for re-indexing; so it is when the output is not a terminal.
    #[arg(long)]
    no_wait: bool,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let file = CollectionFile::read(&args.file)?;
    let spec = file.spec()?;
    block_on(async {
        let mut client = args.connection.connect().await?;
        if let Some(database) = &file.database {
            client = client.with_database(database);
        }
        let apply = match (args.dry_run, args.drop_columns) {
            (true, _) => Apply::DryRun,
            (false, true) => Apply::DroppingColumns,
            (false, false) => Apply::Now,
        };
        let applied = client.apply(spec, apply).await?;
        if args.json {
            print_json(args, &file.collection, &applied)?;
        } else {
            print_table(args, &file.collection, &applied)?;
        }
        let waits = args.wait || (output::is_terminal() && !args.no_wait);
        if waits && !args.dry_run && applied.segments_to_reindex > 0 {
            indexing::wait(&client.collection(&file.collection)).await?;
            if !args.json {
                output::line("every segment has its new index")?;
            }
        }
        Ok(())
    })
}

fn print_json(args: &Args, name: &str, applied: &ApplyCollectionResponse) -> Result<(), Failure> {
    let changes = applied.changes.iter();
    let changes = changes
        .map(|change| json!({ "field": change.field, "from": change.from, "to": change.to }));
    output::json(&json!({
        "collection": name,
        "dry_run": args.dry_run,
        "created": applied.created,
        "changes": changes.collect::<Vec<_>>(),
        "segments_to_reindex": applied.segments_to_reindex,
    }))
}

fn print_table(args: &Args, name: &str, applied: &ApplyCollectionResponse) -> Result<(), Failure> {
    let would = if args.dry_run { "would be " } else { "" };
    if applied.created {
        return output::line(format_args!("collection `{name}` {would}created"));
    }
    if applied.changes.is_empty() {
        return output::line(format_args!("collection `{name}` is as declared"));
    }
    let columns = [("field", Align::Left), ("from", Align::Right), ("to", Align::Right)];
    let mut grid = Grid::new(&columns);
    for change in &applied.changes {
        grid.row([change.field.clone(), change.from.clone(), change.to.clone()]);
    }
    grid.print()?;
    let segments = applied.segments_to_reindex;
    output::line(format_args!(
        "collection `{name}` {would}changed; {segments} segments {would}indexed anew"
    ))
}
