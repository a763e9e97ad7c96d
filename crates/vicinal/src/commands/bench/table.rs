//! `vicinal bench table`: one table of what was measured in several runs.

use super::curve::{self, Curve, Task, fastest};
use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use std::path::PathBuf;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal bench table ours.jsonl
  vicinal bench table ours.jsonl faiss.jsonl peers.jsonl --at 0.9,0.95,0.99

Reads the lines of `vicinal bench ann --json`, and those of other programs: one JSON
object each with `lib`, `recall` and `qps`, and as far as they are known `data`,
`queries`, `build_s` and `mem_mb`. An index at several efforts is a curve; between its
points the logarithm of queries/s is taken for straight, beyond its last there is
nothing.

For each data and queries the first index of vicinal's own that the files name is what
others are compared with: × tells how many times as fast it is.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files of measurements, a JSON object a line.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The recalls at which indexes are compared.
    #[arg(long, value_delimiter = ',', value_name = "RECALL,…", default_value = "0.90,0.95,0.99", value_parser = parse_recall)]
    at: Vec<f64>,
}

fn parse_recall(text: &str) -> Result<f64, String> {
    let recall = text.parse().ok().filter(|recall| (0.0..=1.0).contains(recall));
    recall.ok_or_else(|| "it is a number from 0 to 1".to_owned())
}

/// What one row of the table says.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    name: String,
    build_s: Option<f64>,
    mem_mb: Option<f64>,
    /// Queries per second at each recall, and how many times as fast the native
    /// index is.
    rates: Vec<(Option<f64>, Option<f64>)>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let curves = curve::read(&args.files)?;
    let mut columns = vec![
        ("data", Align::Left),
        ("queries", Align::Left),
        ("index", Align::Left),
        ("build s", Align::Right),
        ("MB", Align::Right),
    ];
    let headers: Vec<_> = args.at.iter().map(|recall| format!("at {recall}")).collect();
    for header in &headers {
        columns.extend([(header.as_str(), Align::Right), ("×", Align::Right)]);
    }
    let mut grid = Grid::new(&columns);
    for task in tasks(&curves) {
        for row in rows(&curves, task, &args.at) {
            let number = |number: Option<f64>, digits: usize| {
                number.map_or_else(|| "–".to_owned(), |number| format!("{number:.digits$}"))
            };
            let mut cells = vec![task.data.clone(), task.queries.clone(), row.name];
            cells.extend([number(row.build_s, 1), number(row.mem_mb, 0)]);
            for (qps, ratio) in row.rates {
                cells.extend([qps.map_or_else(|| "–".to_owned(), output::rate), number(ratio, 2)]);
            }
            grid.row(cells);
        }
    }
    grid.print()
}

/// What was searched for what, in the order of the files.
fn tasks(curves: &[Curve]) -> Vec<&Task> {
    let mut tasks: Vec<&Task> = Vec::new();
    for curve in curves {
        if !tasks.contains(&&curve.task) {
            tasks.push(&curve.task);
        }
    }
    tasks
}

/// The native index, the best of all others, and the others, fastest first.
fn rows(curves: &[Curve], task: &Task, recalls: &[f64]) -> Vec<Row> {
    let mut of_task: Vec<_> = curves.iter().filter(|curve| curve.task == *task).collect();
    let native = of_task.iter().position(|curve| curve.is_native());
    let native = native.map(|at| of_task.remove(at));
    let speed = |curve: &Curve| {
        recalls.iter().map(|recall| curve.qps_at(*recall).unwrap_or(0.0)).collect::<Vec<_>>()
    };
    of_task.sort_by(|a, b| speed(b).partial_cmp(&speed(a)).unwrap_or(std::cmp::Ordering::Equal));
    let rates = |qps_at: &dyn Fn(f64) -> Option<f64>| {
        let rate = |recall: &f64| {
            let (qps, native) = (qps_at(*recall), native.and_then(|native| native.qps_at(*recall)));
            (qps, qps.zip(native).map(|(qps, native)| native / qps))
        };
        recalls.iter().map(rate).collect()
    };
    let row = |curve: &Curve| Row {
        name: format!("{} {}", curve.name, curve.params).trim().to_owned(),
        build_s: curve.build_s,
        mem_mb: curve.mem_mb,
        rates: rates(&|recall| curve.qps_at(recall)),
    };
    let mut rows: Vec<_> = native.iter().map(|native| row(native)).collect();
    let is_other = |curve: &&&Curve| !curve.is_native();
    if native.is_some() && of_task.iter().filter(is_other).count() > 1 {
        let others = || of_task.iter().filter(is_other).copied();
        rows.push(Row {
            name: "the best of all others".into(),
            build_s: None,
            mem_mb: None,
            rates: rates(&|recall| fastest(others(), recall)),
        });
    }
    rows.extend(of_task.into_iter().map(row));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::curve::Point;

    fn curve(data: &str, name: &str, points: &[(f64, f64)]) -> Curve {
        let task = Task { data: data.into(), queries: "held".into() };
        let points = points.iter().map(|(recall, qps)| Point { recall: *recall, qps: *qps });
        Curve { task, name: name.into(), points: points.collect(), ..Curve::default() }
    }

    #[test]
    fn others_are_compared_with_the_first_native_index_of_the_same_data() {
        let curves = [
            curve("a", "hnswlib", &[(0.9, 100.0), (0.95, 50.0)]),
            curve("a", "vicinal HNSW", &[(0.9, 300.0), (0.99, 200.0)]),
            curve("a", "vicinal FLAT", &[(1.0, 1.0)]),
            curve("a", "vicinal hnsw_rs HNSW", &[(0.9, 60.0)]),
            curve("b", "vicinal HNSW", &[(0.9, 7.0)]),
        ];
        assert_eq!(tasks(&curves).len(), 2);
        let rows = rows(&curves, &curves[0].task, &[0.9, 0.95]);
        let check = |at: usize, name: &str, rates: &[(Option<f64>, Option<f64>)]| {
            assert_eq!(rows[at].name, name);
            let rounded = |number: Option<f64>| number.map(|number| (number * 100.0).round());
            let round = |rates: &[(Option<f64>, Option<f64>)]| -> Vec<_> {
                rates.iter().map(|(qps, ratio)| (rounded(*qps), rounded(*ratio))).collect()
            };
            assert_eq!(round(&rows[at].rates), round(rates), "{name}");
        };
        let between = (300.0_f64.ln() + (200.0_f64 / 300.0).ln() * 5.0 / 9.0).exp();
        check(0, "vicinal HNSW", &[(Some(300.0), Some(1.0)), (Some(between), Some(1.0))]);
        let of_others = [(Some(100.0), Some(3.0)), (Some(50.0), Some(between / 50.0))];
        check(1, "the best of all others", &of_others);
        check(2, "hnswlib", &of_others);
        check(3, "vicinal hnsw_rs HNSW", &[(Some(60.0), Some(5.0)), (None, None)]);
        check(4, "vicinal FLAT", &[(Some(1.0), Some(300.0)), (Some(1.0), Some(between))]);
        assert_eq!(rows.len(), 5, "the other data are not here");
    }

    #[test]
    fn recalls_are_read_or_refused() {
        assert_eq!(parse_recall("0.95"), Ok(0.95));
        for wrong in ["95", "-0.1", "x", "NaN"] {
            assert!(parse_recall(wrong).is_err(), "{wrong}");
        }
    }
}
