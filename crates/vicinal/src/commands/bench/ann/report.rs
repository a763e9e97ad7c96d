//! What was measured, as lines of JSON and as tables.

use crate::commands::bench::curve::{Curve, fastest};
use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use serde::Serialize;

/// The recalls at which curves are compared.
const RECALLS: [f64; 3] = [0.90, 0.95, 0.99];

/// One effort of one index; where the peers' script has a field of the same
/// meaning it has the same name.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    pub(super) lib: &'static str,
    pub(super) index: String,
    pub(super) params: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ef: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nprobe: Option<usize>,
    pub(super) recall: f64,
    pub(super) qps: f64,
    pub(super) build_s: f64,
    /// The index and the rows, by the index's own account.
    pub(super) mem_mb: f64,
    /// How much memory of its own the process had more after the searches than before
    /// the index was opened or built; the rows were there before.
    pub(super) grown_mb: f64,
    /// How much more it had of files, which the system may take back at any time.
    pub(super) mapped_mb: f64,
    /// Rows or codes compared, by query.
    pub(super) distances: f64,
    /// Vertices expanded, by query.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) expanded: f64,
    /// Different pages that searches touched, by their own count, by query.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) pages: f64,
    /// Pages that came from disk, by the system's count, by query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pages_read: Option<f64>,
    /// The index without the rows.
    pub(super) index_bytes: usize,
    pub(super) bytes_per_row: f64,
    pub(super) k: usize,
    pub(super) threads: usize,
    /// Queries handed over together.
    pub(super) batch: usize,
    pub(super) element: &'static str,
    pub(super) metric: &'static str,
    pub(super) rows: u32,
    #[serde(skip_serializing_if = "is_one")]
    pub(super) segments: usize,
    /// How many of them may be found, if not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) passing: Option<usize>,
    pub(super) dim: usize,
    pub(super) data: String,
    /// The name of the queries.
    pub(super) queries: String,
}

fn is_one(number: &usize) -> bool {
    *number == 1
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

/// Prints what was measured; an index is named once.
pub(super) fn print_lines(lines: &[Line], k: usize) -> Result<(), Failure> {
    let recall = format!("recall@{k}");
    let is_cold = lines.iter().any(|line| line.pages_read.is_some());
    let mut columns = vec![
        ("index", Align::Left),
        ("params", Align::Left),
        ("effort", Align::Right),
        (recall.as_str(), Align::Right),
        ("queries/s", Align::Right),
        ("distances", Align::Right),
    ];
    if is_cold {
        let names = ["expanded", "pages touched", "pages read", "read/expanded"];
        columns.extend(names.map(|name| (name, Align::Right)));
    }
    let names = ["build s", "bytes/row", "own MB", "mapped MB"];
    columns.extend(names.map(|name| (name, Align::Right)));
    let mut grid = Grid::new(&columns);
    let mut before: Option<&Line> = None;
    for line in lines {
        let is_new = before
            .is_none_or(|before| (&before.index, &before.params) != (&line.index, &line.params));
        let once = |text: String| if is_new { text } else { String::new() };
        let effort = line.ef.or(line.nprobe);
        let mut cells = vec![
            once(line.index.clone()),
            once(line.params.clone()),
            effort.map_or_else(|| "exact".to_owned(), |effort| effort.to_string()),
            format!("{:.4}", line.recall),
            output::rate(line.qps),
            output::rate(line.distances),
        ];
        if is_cold {
            cells.extend(line.cold_cells());
        }
        cells.extend([
            once(format!("{:.1}", line.build_s)),
            once(format!("{:.1}", line.bytes_per_row)),
            format!("{:.1}", line.grown_mb),
            format!("{:.1}", line.mapped_mb),
        ]);
        grid.row(cells);
        before = Some(line);
    }
    grid.print()
}

impl Line {
    fn cold_cells(&self) -> [String; 4] {
        let read = self.pages_read.unwrap_or_default();
        let tenths = |number: f64| format!("{number:.1}");
        let each = format!("{:.3}", read / self.expanded.max(1.0));
        [tenths(self.expanded), tenths(self.pages), tenths(read), each]
    }
}

/// Prints queries per second at some recalls, and how they compare.
pub(super) fn print_comparison(curves: &[Curve]) -> Result<(), Failure> {
    let headers = RECALLS.map(|recall| format!("at {recall:.2}"));
    let mut columns = vec![("queries/s", Align::Left)];
    for header in &headers {
        columns.extend([
            (header.as_str(), Align::Right),
            ("×hnswlib", Align::Right),
            ("×best peer", Align::Right),
        ]);
    }
    let mut grid = Grid::new(&columns);
    let peers = || curves.iter().filter(|curve| !curve.is_ours);
    let mut sorted: Vec<_> = curves.iter().collect();
    let speed = |curve: &Curve| curve.qps_at(0.95).unwrap_or(0.0);
    sorted.sort_by(|a, b| b.is_ours.cmp(&a.is_ours).then(speed(b).total_cmp(&speed(a))));
    for curve in sorted {
        let mut cells = vec![format!("{} {}", curve.name, curve.params).trim().to_owned()];
        for recall in RECALLS {
            let qps = curve.qps_at(recall);
            let reference = fastest(peers().filter(|peer| peer.is_reference()), recall);
            cells.push(qps.map_or_else(|| "–".to_owned(), output::rate));
            cells.push(ratio(qps, reference));
            cells.push(ratio(qps, fastest(peers(), recall)));
        }
        grid.row(cells);
    }
    grid.print()
}

fn ratio(qps: Option<f64>, of: Option<f64>) -> String {
    match (qps, of) {
        (Some(qps), Some(of)) => format!("{:.2}", qps / of),
        (Some(_) | None, _) => "–".to_owned(),
    }
}
