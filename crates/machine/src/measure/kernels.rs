//! What comparing takes, in the nearest cache.

use super::sample::{Watch, fit};
use std::hint::black_box;
use vicinal_distance::{Comparer, kernels};
use vicinal_planner::{KERNELS, KernelTime, Line};
use vicinal_types::{ElementType, Metric, Stopped, VectorType};

/// The dimensions measured.
const DIMS: [u32; 4] = [64, 256, 768, 1536];

/// Bytes of rows that stay in the nearest cache beside the query.
const ROWS_BYTES: usize = 16 * 1024;

/// Rows compared by one call, as a scan does.
const ROWS_MAX: usize = 64;

/// Measures every kernel at some dimensions and puts a line through what they took.
pub(super) fn measure(
    watch: &Watch<'_>,
    spreads: &mut Vec<(String, f64)>,
) -> Result<[KernelTime; KERNELS.len()], Stopped> {
    let none = Line { base_nanos: 0.0, unit_nanos: 0.0 };
    let mut times = KERNELS.map(|(element, metric)| KernelTime { element, metric, time: none });
    for KernelTime { element, metric, time } in &mut times {
        let mut points = Vec::with_capacity(DIMS.len());
        for dim in DIMS {
            let (nanos, spread) = row_nanos(watch, dim, *element, *metric)?;
            spreads.push((format!("{element} {metric} of {dim} dimensions"), spread));
            points.push((f64::from(dim), nanos));
        }
        *time = fit(&points);
    }
    Ok(times)
}

/// What one row takes, and the spread.
fn row_nanos(
    watch: &Watch<'_>,
    dim: u32,
    element: ElementType,
    metric: Metric,
) -> Result<(f64, f64), Stopped> {
    let vector = VectorType::new(dim, element, metric).expect("they go together in KERNELS");
    let comparer = Comparer::new(vector, kernels());
    let count = (ROWS_BYTES / vector.row_bytes()).clamp(1, ROWS_MAX);
    let (query, rows) = (vectors(element, dim as usize, 1), vectors(element, dim as usize, count));
    let mut keys = vec![0.0; count];
    let sample = watch.repeat(|| {
        comparer.keys(black_box(&query), black_box(&rows), &mut keys);
        black_box(&mut keys);
    })?;
    let sample = sample.each_of(count);
    Ok((sample.nanos, sample.spread))
}

/// Vectors of ordinary numbers, as they are stored: all ones, or bytes of all sizes.
pub(super) fn vectors(element: ElementType, dim: usize, count: usize) -> Vec<u8> {
    let len = element.row_bytes(dim) * count;
    let one: &[u8] = match element {
        ElementType::F32 => &[0x00, 0x00, 0x80, 0x3F],
        ElementType::F16 => &[0x00, 0x3C],
        ElementType::Bf16 => &[0x80, 0x3F],
        ElementType::I8 | ElementType::U8 | ElementType::Binary => &[3, 141, 59, 26, 253, 58, 97],
    };
    one.iter().copied().cycle().take(len).collect()
}
