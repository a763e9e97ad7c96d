//! What a device finds, held against what this CPU finds.

use super::{failed, kind, random};
use crate::failure::Failure;
use crate::output::{Align, Grid};
use serde_json::{Value, json};
use vicinal_index::{Accelerator, Batch, TopK, Vectors, Work, scan_many, settle};
use vicinal_types::{Bitmap, Cancel, ElementType, Metric};

/// Rows that are compared; an odd number, so that the last tiles are not full.
const ROWS: u32 = 20_011;

const DIMS: [u32; 2] = [96, 131];

/// Queries and neighbours of the batches: every shape of the kernels.
const BATCHES: [(u32, usize); 5] = [(1, 10), (7, 100), (40, 10), (200, 10), (200, 1_000)];

/// What came out for one type of vectors.
pub(super) struct Checked {
    element: ElementType,
    metric: Metric,
    queries: usize,
    /// Answers that the device's bound proves.
    proven: usize,
}

impl Checked {
    pub(super) fn json(&self) -> Value {
        json!({
            "element": self.element.name(),
            "metric": self.metric.name(),
            "queries": self.queries,
            "proven": self.proven,
        })
    }
}

/// Compares for every type of elements.
///
/// # Errors
/// If the device fails, or one proven answer is not that of the CPU.
pub(super) fn all(devices: &dyn Accelerator) -> Result<Vec<Checked>, Failure> {
    let mut all = Vec::new();
    let elements =
        [ElementType::F32, ElementType::F16, ElementType::Bf16, ElementType::I8, ElementType::U8];
    for element in elements {
        for metric in [Metric::L2, Metric::InnerProduct] {
            all.push(one(devices, element, metric)?);
        }
    }
    Ok(all)
}

fn one(
    devices: &dyn Accelerator,
    element: ElementType,
    metric: Metric,
) -> Result<Checked, Failure> {
    let mut checked = Checked { element, metric, queries: 0, proven: 0 };
    for dim in DIMS {
        let kind = kind(dim, element, metric)?;
        let rows = random(kind, ROWS, u64::from(dim))?;
        devices.load(&rows).map_err(failed)?;
        let mut half = Bitmap::new(ROWS as usize);
        (0..ROWS).filter(|row| row % 7 < 3).for_each(|row| {
            half.insert(row);
        });
        for (count, k) in BATCHES {
            let queries = random(kind, count, u64::from(count) << 32)?;
            for allowed in [None, Some(&half)] {
                let batch = Batch { queries: queries.bytes(), k, allowed };
                checked.proven += proven(devices, &rows, &batch)?;
                checked.queries += count as usize;
            }
        }
        devices.evict(&rows);
    }
    Ok(checked)
}

/// How many answers of a batch are proven.
fn proven(devices: &dyn Accelerator, rows: &Vectors, batch: &Batch<'_>) -> Result<usize, Failure> {
    let found = devices.search(rows, batch).map_err(failed)?;
    let (never, mut work) = (Cancel::never(), Work::default());
    let mut tops = vec![TopK::new(batch.k); found.len()];
    scan_many(rows, batch.queries, batch.allowed, 0, &mut tops, &mut work, &never)
        .map_err(failed)?;
    let row_bytes = rows.vector_type().row_bytes();
    let queries = batch.queries.chunks_exact(row_bytes);
    let mut proven = 0;
    for ((query, found), top) in queries.zip(&found).zip(tops) {
        if let Some(settled) = settle(rows, query, batch.k, found) {
            if settled != top.into_sorted() {
                let kind = rows.vector_type();
                return Err(Failure::new(format!(
                    "the device leaves out neighbours of {} {} vectors of {} dimensions: {} queries, k {}",
                    kind.element(),
                    kind.metric(),
                    kind.dim(),
                    batch.queries.len() / row_bytes,
                    batch.k
                )));
            }
            proven += 1;
        }
    }
    Ok(proven)
}

pub(super) fn print(checked: &[Checked]) -> Result<(), Failure> {
    let mut grid = Grid::new(&[
        ("vectors", Align::Left),
        ("queries", Align::Right),
        ("as the CPU, proven", Align::Right),
    ]);
    for checked in checked {
        grid.row([
            format!("{} {}", checked.element, checked.metric),
            checked.queries.to_string(),
            checked.proven.to_string(),
        ]);
    }
    grid.print()
}
