//! `vicinal snapshot`: collections to a directory or a bucket, and back.

mod create;
mod delete;
mod list;
mod restore;
mod verify;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output;
use indicatif::ProgressBar;
use vicinal_client::proto::SnapshotProgress;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal snapshot create -c words
  vicinal snapshot list
  vicinal help snapshot restore";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, clap::Subcommand)]
enum Which {
    /// Take a snapshot; reads and writes go on, and what the store has is not written again.
    #[command(after_help = create::EXAMPLES)]
    Create(create::Args),

    /// List the snapshots of a store.
    #[command(after_help = list::EXAMPLES)]
    List(list::Args),

    /// Make collections of a snapshot, in this server or another.
    #[command(after_help = restore::EXAMPLES)]
    Restore(restore::Args),

    /// Read every file of a snapshot; exit code 1 if one is not what it was.
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::Args),

    /// Remove a snapshot, and the files that no other one needs.
    #[command(after_help = delete::EXAMPLES)]
    Delete(delete::Args),
}

/// Where the snapshots are, as the server sees it.
#[derive(Clone, Debug, clap::Args)]
struct Store {
    #[command(flatten)]
    connection: Connection,

    /// A directory of the server's machine (file:///backups, /backups) or a bucket
    /// (s3://bucket/prefix). Default: the server's setting snapshots.store; others need
    /// its setting snapshots.other_stores.
    #[arg(
        long,
        short = 's',
        env = "VICINAL_SNAPSHOT_STORE",
        default_value = "",
        hide_default_value = true,
        value_name = "URL"
    )]
    store: String,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.which {
        Which::Create(args) => create::run(args),
        Which::List(args) => list::run(args),
        Which::Restore(args) => restore::run(args),
        Which::Verify(args) => verify::run(args),
        Which::Delete(args) => delete::run(args),
    }
}

/// Lets a bar follow a job.
fn follow(bar: &ProgressBar) -> impl FnMut(&SnapshotProgress) {
    |progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
    }
}

/// A count with its noun.
fn plural(count: u64, noun: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{} {noun}{end}", output::count(count))
}
