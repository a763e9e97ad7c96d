//! The commands and their help.

use crate::commands::{
    aggregate, apply, bench, calibrate, count, delete, demo, describe, drop, explain, flush, get,
    import, list, machine, scroll, search, serve, snapshot, stats, update, verify,
};
use crate::failure::Failure;

/// Vicinal: a vector similarity search database server.
#[derive(Debug, clap::Parser)]
#[command(name = "vicinal", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  vicinal demo                                        see it work, in half a minute
  vicinal serve -c configs/vicinal.yaml               start a server
  vicinal import -c words --metric cosine words.parquet
  vicinal search -c words --id 42 -k 5
  vicinal help import                                 all flags of a command";

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run the server.
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::Args),

    /// Start a server, load real data, search it, show recall and latency, clean up.
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::Args),

    /// Make a collection be as a YAML file declares it.
    #[command(after_help = apply::EXAMPLES)]
    Apply(apply::Args),

    /// Load a file of vectors: .parquet, .npy, .fvecs or .bvecs.
    #[command(after_help = import::EXAMPLES)]
    Import(import::Args),

    /// Find the rows nearest to a vector.
    #[command(after_help = search::EXAMPLES)]
    Search(search::Args),

    /// Say how a search would go, what the ways not taken would cost, and what it took.
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::Args),

    /// Read rows by id.
    #[command(after_help = get::EXAMPLES)]
    Get(get::Args),

    /// Show rows of a collection, perhaps in the order of a column.
    #[command(after_help = scroll::EXAMPLES)]
    Scroll(scroll::Args),

    /// Count the rows of a collection.
    #[command(after_help = count::EXAMPLES)]
    Count(count::Args),

    /// Count rows by value, and compute figures of each group.
    #[command(after_help = aggregate::EXAMPLES)]
    Aggregate(aggregate::Args),

    /// Set columns of rows by id or by a filter.
    #[command(after_help = update::EXAMPLES)]
    Update(update::Args),

    /// Delete rows by id or by a filter.
    #[command(after_help = delete::EXAMPLES)]
    Delete(delete::Args),

    /// Show a collection: columns, segments, indexes, calibration.
    #[command(after_help = describe::EXAMPLES)]
    Describe(describe::Args),

    /// List the collections of a database.
    #[command(after_help = list::EXAMPLES)]
    List(list::Args),

    /// Drop a collection with its rows, files and aliases.
    #[command(after_help = drop::EXAMPLES)]
    Drop(drop::Args),

    /// Seal what is growing, and perhaps wait until it is indexed.
    #[command(after_help = flush::EXAMPLES)]
    Flush(flush::Args),

    /// Show what the server uses: memory by component, log, collections.
    #[command(after_help = stats::EXAMPLES)]
    Stats(stats::Args),

    /// Copy collections to a directory or a bucket, and bring them back.
    #[command(after_help = snapshot::EXAMPLES)]
    Snapshot(snapshot::Args),

    /// Check every checksum and invariant of a data directory that no server uses.
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::Args),

    /// Show how fast this machine is, by which searches are planned.
    #[command(after_help = machine::EXAMPLES)]
    Machine(machine::Args),

    /// Measure how fast this machine is, for a data directory that no server uses.
    #[command(after_help = calibrate::EXAMPLES)]
    Calibrate(calibrate::Args),

    /// Measure an index in process, or a server under load.
    #[command(after_help = bench::EXAMPLES)]
    Bench(bench::Args),
}

impl Cli {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Serve(args) => serve::run(&args),
            Command::Demo(args) => demo::run(&args),
            Command::Apply(args) => apply::run(&args),
            Command::Import(args) => import::run(&args),
            Command::Search(args) => search::run(&args),
            Command::Explain(args) => explain::run(&args),
            Command::Get(args) => get::run(&args),
            Command::Scroll(args) => scroll::run(&args),
            Command::Count(args) => count::run(&args),
            Command::Aggregate(args) => aggregate::run(&args),
            Command::Update(args) => update::run(&args),
            Command::Delete(args) => delete::run(&args),
            Command::Describe(args) => describe::run(&args),
            Command::List(args) => list::run(&args),
            Command::Drop(args) => drop::run(&args),
            Command::Flush(args) => flush::run(&args),
            Command::Stats(args) => stats::run(&args),
            Command::Verify(args) => verify::run(&args),
            Command::Snapshot(args) => snapshot::run(&args),
            Command::Machine(args) => machine::run(&args),
            Command::Calibrate(args) => calibrate::run(&args),
            Command::Bench(args) => bench::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// Every command with its full name, leaves only.
    fn leaves(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
        let mut found = Vec::new();
        for sub in command.get_subcommands() {
            let path = format!("{path} {}", sub.get_name());
            if sub.has_subcommands() {
                found.extend(leaves(sub, &path));
            } else {
                found.push((path, sub.clone()));
            }
        }
        found
    }

    #[test]
    fn flags_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example_of_itself() {
        for (path, command) in leaves(&Cli::command(), "vicinal") {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.starts_with("Examples:\n"), "{path}: {examples:?}");
            assert!(examples.contains(&path), "{path}: {examples:?}");
        }
    }

    /// As a shell splits a line: what stands in quotes is one word. Two spaces begin a
    /// remark.
    fn words(line: &str) -> Vec<String> {
        let command = line.split("  ").next().unwrap_or_default();
        let mut words = vec![String::new()];
        let mut is_quoted = false;
        for letter in command.chars() {
            match letter {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => words.push(String::new()),
                _ => words.last_mut().expect("never empty").push(letter),
            }
        }
        words
    }

    #[test]
    fn every_example_parses() {
        for (path, command) in leaves(&Cli::command(), "vicinal") {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in examples.lines().map(str::trim).filter(|line| line.starts_with("vicinal")) {
                let parsed = Cli::command().try_get_matches_from(words(line));
                assert!(parsed.is_ok(), "{path}: `{line}`: {}", parsed.unwrap_err());
            }
        }
    }
}
