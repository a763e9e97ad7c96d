//! `vicinal drop`.

use crate::connection::{Target, block_on};
use crate::failure::Failure;
use crate::output;
use std::io::IsTerminal as _;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal drop -c words
  vicinal drop -c words --yes        do not ask";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,

    /// Do not ask.
    #[arg(long, short = 'y')]
    yes: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let collection = args.target.connect().await?;
        let name = collection.name().to_owned();
        let rows = collection.count().await?;
        if !args.yes && !confirmed(&name, rows)? {
            output::note("nothing was dropped");
            return Ok(());
        }
        collection.drop_collection().await?;
        output::note(format_args!("dropped `{name}` with {} rows", output::count(rows)));
        Ok(())
    })
}

/// Asks whoever sits at the terminal.
fn confirmed(name: &str, rows: u64) -> Result<bool, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Failure::new(format!("nobody can confirm that `{name}` shall go; add --yes")));
    }
    let rows = output::count(rows);
    output::note(format_args!("drop `{name}` with its {rows} rows for good? Type its name:"));
    let mut answer = String::new();
    let read = input.read_line(&mut answer);
    read.map_err(|error| Failure::new(format!("cannot read the answer: {error}")))?;
    Ok(answer.trim() == name)
}
