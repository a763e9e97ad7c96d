//! `vicinal serve`.

use crate::failure::Failure;
use std::path::PathBuf;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal serve                                   defaults; data under ./data
  vicinal serve -c configs/vicinal.yaml
  VICINAL_SERVER__ADDRESS=127.0.0.1:9000 vicinal serve";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file; every setting has a default.
    #[arg(long, short = 'c', value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    // A variable that is not UTF-8 cannot be one of ours.
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let config = vicinal_server::Config::load(args.config.as_deref(), env)
        .map_err(|error| Failure::new(error.to_string()))?;
    vicinal_server::run(config).map_err(|error| Failure::new(error.to_string()))
}
