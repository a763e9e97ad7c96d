//! How long exact searches on a device take.

use super::{Args, Size, failed, kind, random};
use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use serde_json::{Value, json};
use std::time::Duration;
use vicinal_gpu::{Cuda, Devices};
use vicinal_index::{Accelerator, Batch, Vectors};
use vicinal_types::{Clock as _, ElementType, Metric, SystemClock};

/// How often rows are read to find out how fast that is.
const READS: u32 = 20;

/// What a batch took.
pub(super) struct Timed {
    size: Size,
    queries: usize,
    took: Duration,
    /// Bytes of the rows a second, were they read once.
    bytes_rate: f64,
    /// The same where they are read and no more.
    read_rate: f64,
    /// Multiplications and additions a second.
    flops: f64,
}

impl Timed {
    fn queries_rate(&self) -> f64 {
        self.queries as f64 / self.took.as_secs_f64()
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "rows": self.size.rows,
            "dim": self.size.dim,
            "element": "f32",
            "batch": self.queries,
            "millis": self.took.as_secs_f64() * 1e3,
            "queries_per_second": self.queries_rate(),
            "bytes_per_second": self.bytes_rate,
            "read_bytes_per_second": self.read_rate,
            "flops_per_second": self.flops,
        })
    }
}

/// Times searches of one set, L2.
pub(super) fn set(
    devices: &Devices<Cuda>,
    size: Size,
    args: &Args,
    seed: u64,
) -> Result<Vec<Timed>, Failure> {
    let kind = kind(size.dim, ElementType::F32, Metric::L2)?;
    let rows = random(kind, size.rows, seed)?;
    devices.load(&rows).map_err(failed)?;
    let read_rate = read_rate(devices, &rows)?;
    let mut timed = Vec::new();
    for queries in &args.batches {
        let count = u32::try_from(*queries).map_err(failed)?;
        let asked = random(kind, count, seed << 32)?;
        let batch = Batch { queries: asked.bytes(), k: args.k, allowed: None };
        let mut took = Duration::MAX;
        for _ in 0..args.passes.max(1) {
            let started = SystemClock.now();
            devices.search(&rows, &batch).map_err(failed)?;
            took = took.min(SystemClock.now().saturating_duration_since(started));
        }
        let seconds = took.as_secs_f64();
        let multiplied = 2.0 * f64::from(size.rows) * f64::from(size.dim) * f64::from(count);
        timed.push(Timed {
            size,
            queries: *queries,
            took,
            bytes_rate: rows.bytes().len() as f64 / seconds,
            read_rate,
            flops: multiplied / seconds,
        });
    }
    devices.evict(&rows);
    Ok(timed)
}

/// Bytes a second at which the device reads rows.
fn read_rate(devices: &Devices<Cuda>, rows: &Vectors) -> Result<f64, Failure> {
    devices.read(rows, 1).map_err(failed)?;
    let started = SystemClock.now();
    let bytes = devices.read(rows, READS).map_err(failed)?;
    let took = SystemClock.now().saturating_duration_since(started);
    Ok(bytes as f64 / took.as_secs_f64())
}

pub(super) fn print(timed: &[Timed]) -> Result<(), Failure> {
    let names = ["rows × dims", "batch", "ms", "queries/s", "GB/s", "of reading", "TFLOP/s"];
    let columns: Vec<_> = names.iter().map(|name| (*name, Align::Right)).collect();
    let mut grid = Grid::new(&columns);
    for timed in timed {
        let rows = output::count(u64::from(timed.size.rows));
        grid.row([
            format!("{rows} × {}", timed.size.dim),
            timed.queries.to_string(),
            format!("{:.3}", timed.took.as_secs_f64() * 1e3),
            output::rate(timed.queries_rate()),
            format!("{:.0}", timed.bytes_rate / 1e9),
            format!("{:.0} %", timed.bytes_rate / timed.read_rate * 100.0),
            format!("{:.1}", timed.flops / 1e12),
        ]);
    }
    grid.print()
}
