//! `vicinal bench`: measuring an index in process, or a server under load.

mod ann;
mod curve;
mod filtered;
mod gpu;
mod latency;
mod load;
mod profile;
mod table;

pub(crate) use latency::{Latencies, Percentiles};

use crate::failure::Failure;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal help bench ann
  vicinal help bench load
  vicinal help bench filtered
  vicinal help bench gpu
  vicinal help bench profile
  vicinal help bench table";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, clap::Subcommand)]
enum Which {
    /// Build one index in process; recall and queries per second by effort.
    #[command(after_help = ann::EXAMPLES)]
    Ann(ann::Args),

    /// Put a server under load; latencies, recall, errors, CPU per query.
    #[command(after_help = load::EXAMPLES)]
    Load(load::Args),

    /// Put a server under load with one filter after another; recall and rate of each.
    #[command(after_help = filtered::EXAMPLES)]
    Filtered(filtered::Args),

    /// Hold a GPU's searches against the CPU's and time them.
    #[command(after_help = gpu::EXAMPLES)]
    Gpu(gpu::Args),

    /// Say what the vectors of a file are like: intrinsic dimension, contrast, code errors.
    #[command(after_help = profile::EXAMPLES)]
    Profile(profile::Args),

    /// Compare what `bench ann --json` and others measured, in one table.
    #[command(after_help = table::EXAMPLES)]
    Table(table::Args),
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.which {
        Which::Ann(args) => ann::run(args),
        Which::Load(args) => load::run(args),
        Which::Filtered(args) => filtered::run(args),
        Which::Gpu(args) => gpu::run(args),
        Which::Profile(args) => profile::run(args),
        Which::Table(args) => table::run(args),
    }
}
