//! What was measured, as lines of JSON and as tables.

use super::curve::{Curve, fastest};
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
    /// The index and the rows.
    pub(super) mem_mb: f64,
    /// Rows or codes compared, by query.
    pub(super) distances: f64,
    /// The index without the rows.
    pub(super) index_bytes: usize,
    pub(super) bytes_per_row: f64,
    pub(super) k: usize,
    pub(super) threads: usize,
    pub(super) element: &'static str,
    pub(super) metric: &'static str,
    pub(super) rows: u32,
    pub(super) dim: usize,
    pub(super) data: String,
}

/// Prints what was measured; an index is named once.
pub(super) fn print_lines(lines: &[Line], k: usize) -> Result<(), Failure> {
    let recall = format!("recall@{k}");
    let mut grid = Grid::new(&[
        ("index", Align::Left),
        ("params", Align::Left),
        ("effort", Align::Right),
        (&recall, Align::Right),
        ("queries/s", Align::Right),
        ("distances", Align::Right),
        ("build s", Align::Right),
        ("bytes/row", Align::Right),
    ]);
    let mut before: Option<&Line> = None;
    for line in lines {
        let is_new = before
            .is_none_or(|before| (&before.index, &before.params) != (&line.index, &line.params));
        let once = |text: String| if is_new { text } else { String::new() };
        let effort = line.ef.or(line.nprobe);
        grid.row([
            once(line.index.clone()),
            once(line.params.clone()),
            effort.map_or_else(|| "exact".to_owned(), |effort| effort.to_string()),
            format!("{:.4}", line.recall),
            grouped(line.qps),
            grouped(line.distances),
            once(format!("{:.1}", line.build_s)),
            once(format!("{:.1}", line.bytes_per_row)),
        ]);
        before = Some(line);
    }
    grid.print()
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
            cells.push(qps.map_or_else(|| "–".to_owned(), grouped));
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

/// A rounded number with its thousands set apart.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates and counts are positive and far below 2^64"
)]
fn grouped(number: f64) -> String {
    output::count(number.round() as u64)
}
