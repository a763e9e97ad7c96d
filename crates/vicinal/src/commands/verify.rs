//! `vicinal verify`.

use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vicinal_server::{Verification, VerifiedFile, verify};
use vicinal_storage::{Disk, FileDisk};

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal verify --data-dir data
  vicinal verify --data-dir /var/lib/vicinal --json";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The data directory of a server that does not run (`storage.directory`).
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,

    /// Print JSON: one line a file.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let disk: Arc<dyn Disk> = Arc::new(FileDisk);
    let found = verify(&disk, &args.data_dir)?;
    if args.json {
        for file in &found.files {
            output::json(&json!({
                "path": shown(&args.data_dir, file),
                "kind": file.kind.name(),
                "bytes": file.bytes,
                "problem": file.problem,
                "note": file.note,
            }))?;
        }
    } else {
        table(&args.data_dir, &found)?;
    }
    let damaged = found.files.iter().filter(|file| file.problem.is_some()).count();
    if found.is_sound() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{damaged} of {} files in {} are damaged: keep a copy of the directory, then restore what they hold from a snapshot",
        found.files.len(),
        args.data_dir.display()
    )))
}

fn table(directory: &Path, found: &Verification) -> Result<(), Failure> {
    let columns = [
        ("file", Align::Left),
        ("kind", Align::Left),
        ("size", Align::Right),
        ("result", Align::Left),
    ];
    let mut grid = Grid::new(&columns);
    for file in &found.files {
        let result = match (&file.problem, &file.note) {
            (Some(problem), _) => format!("DAMAGED: {problem}"),
            (None, Some(note)) => format!("good; {note}"),
            (None, None) => "good".to_owned(),
        };
        let bytes = file.bytes.map_or_else(|| "-".to_owned(), output::bytes);
        grid.row([shown(directory, file), file.kind.name().to_owned(), bytes, result]);
    }
    grid.print()
}

fn shown(directory: &Path, file: &VerifiedFile) -> String {
    file.path.strip_prefix(directory).unwrap_or(&file.path).display().to_string()
}
