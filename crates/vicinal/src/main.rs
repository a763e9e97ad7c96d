//! `vicinal`, the one binary: the server, the commands that talk to one, and the
//! benchmarks.
//!
//! Results go to standard output, everything else to standard error; an error is
//! one line that says what to do. Exit code 1: it failed; 2: wrong usage;
//! 3: `bench gpu` found no device.

mod cli;
mod commands;

mod collection_file;
mod connection;
mod failure;
mod filter;
mod indexing;
mod output;
mod recall;
mod source;

use clap::Parser as _;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            output::note(format_args!("error: {failure}"));
            match failure {
                Failure::NoDevice(_) => ExitCode::from(3),
                Failure::Message(_) | Failure::OutputClosed => ExitCode::FAILURE,
            }
        }
    }
}
