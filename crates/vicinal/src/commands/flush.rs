//! `vicinal flush`.

use crate::connection::{Target, block_on};
use crate::failure::Failure;
use crate::{indexing, output};
use vicinal_client::FlushUntil;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal flush -c words
  vicinal flush -c words --wait-indexed";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,

    /// Return only when every sealed segment has its index.
    #[arg(long)]
    wait_indexed: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let collection = args.target.connect().await?;
        let segments = collection.flush(FlushUntil::Sealed).await?;
        if args.wait_indexed {
            indexing::wait(&collection).await?;
        }
        let plural = if segments == 1 { "" } else { "s" };
        output::line(format_args!("`{}` has {segments} sealed segment{plural}", collection.name()))
    })
}
