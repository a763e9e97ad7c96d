//! `vicinal machine`, and what `vicinal calibrate` shows as well.

use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use std::path::PathBuf;
use vicinal_planner::{KernelTime, MachineProfile};
use vicinal_server::{Measured, machine_figures};
use vicinal_storage::FileDisk;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal machine --data-dir data
  vicinal machine --data-dir /var/lib/vicinal --json

Times are those of one core with nothing else to do. They are in the file MACHINE of the
data directory, which a server writes within seconds of its first start, and after a
change of CPU, cores or instruction set; `vicinal calibrate` measures them anew.";

/// The dimensions that times are shown for.
const DIMS: [u32; 4] = [64, 256, 768, 1536];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The data directory (`storage.directory`), of a server that runs or does not.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    show(&machine_figures(&FileDisk, &args.data_dir)?, args.json)
}

/// Shows figures, as the file has them or as tables.
pub(crate) fn show(measured: &Measured, is_json: bool) -> Result<(), Failure> {
    if is_json {
        return output::json(measured);
    }
    let (machine, percent) = (&measured.machine, measured.spread * 100.0);
    output::line(format_args!(
        "{}, {} cores, {} kernels, last cache {}",
        machine.cpu,
        machine.cores,
        machine.isa,
        output::bytes(machine.last_cache_bytes)
    ))?;
    let state = if measured.is_disturbed() { "BUSY" } else { "at rest" };
    let seconds = measured.took_millis as f64 / 1e3;
    output::line(format_args!(
        "measured in {seconds:.1} s; the machine was {state}: repetitions {percent:.1} % above the fastest"
    ))?;
    for note in &measured.notes {
        output::line(format_args!("note: {note}"))?;
    }
    output::line("")?;
    kernels(&measured.profile)?;
    output::line("")?;
    others(&measured.profile)
}

/// A row for each way to compare.
fn kernels(profile: &MachineProfile) -> Result<(), Failure> {
    let headers = DIMS.map(|dim| format!("{dim} dims"));
    let mut columns = vec![("comparing, in cache", Align::Left)];
    columns.extend(headers.iter().map(|header| (header.as_str(), Align::Right)));
    columns.push(("line", Align::Left));
    let mut grid = Grid::new(&columns);
    for KernelTime { element, metric, time } in profile.kernels {
        let mut cells = vec![format!("{element} {metric}")];
        cells.extend(DIMS.map(|dim| shown(time.nanos(f64::from(dim)))));
        cells.push(format!("{:.2} + {:.4} a dimension", time.base_nanos, time.unit_nanos));
        grid.row(cells);
    }
    grid.print()
}

fn others(profile: &MachineProfile) -> Result<(), Failure> {
    let MachineProfile { memory, disk, hand_off_nanos, .. } = profile;
    let scattered = |bytes: f64| shown(memory.scattered.nanos(bytes));
    let rows = [
        ("memory in a row, 1 KiB", shown(memory.sequential_byte_nanos * 1024.0)),
        ("memory, one read after the other", shown(memory.dependent_nanos)),
        ("vector here and there, 64 bytes", scattered(64.0)),
        ("vector here and there, 3 KiB", scattered(3072.0)),
        ("page of a file, in memory", shown(disk.cached_page_nanos)),
        (
            "page of a file, from the disk",
            disk.read_page_nanos.map_or_else(|| "not measured".to_owned(), shown),
        ),
        ("task to a search thread that sleeps", shown(*hand_off_nanos)),
        ("GPU", "none".to_owned()),
    ];
    let mut grid = Grid::new(&[("other", Align::Left), ("time", Align::Right)]);
    rows.into_iter().for_each(|(what, time)| grid.row([what.to_owned(), time]));
    grid.print()
}

/// A time in the unit that fits it.
fn shown(nanos: f64) -> String {
    match nanos {
        ..1_000.0 => format!("{nanos:.1} ns"),
        ..1_000_000.0 => format!("{:.1} µs", nanos / 1e3),
        _ => format!("{:.1} ms", nanos / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_unit_that_fits() {
        let times = [0.04, 999.0, 1_000.0, 48_602.0, 2_500_000.0].map(shown);
        assert_eq!(times, ["0.0 ns", "999.0 ns", "1.0 µs", "48.6 µs", "2.5 ms"]);
    }
}
