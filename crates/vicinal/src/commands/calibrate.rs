//! `vicinal calibrate`.

use super::machine;
use crate::failure::Failure;
use std::path::PathBuf;
use std::sync::Arc;
use vicinal_server::calibrate;
use vicinal_storage::{Disk, FileDisk};
use vicinal_types::SystemClock;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal calibrate --data-dir data
  vicinal calibrate --data-dir /var/lib/vicinal --json

It takes about a second. Measure when nothing else runs: the file MACHINE of the data
directory is what the next server plans searches with.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The data directory of a server that does not run (`storage.directory`).
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let disk: Arc<dyn Disk> = Arc::new(FileDisk);
    let measured = calibrate(&disk, &args.data_dir, Arc::new(SystemClock))?;
    machine::show(&measured, args.json)
}
