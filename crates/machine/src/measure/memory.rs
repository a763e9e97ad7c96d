//! What reading memory beyond the caches takes, on ordinary pages.

use super::MeasureError;
use super::kernels::vectors;
use super::sample::{Watch, fit};
use std::hint::black_box;
use vicinal_distance::{Comparer, kernels};
use vicinal_planner::{Line, MemoryTimes};
use vicinal_types::{ElementType, Metric, Stopped, VectorType};

/// Bytes read in a row by one call.
const STREAM_BYTES: usize = 1024 * 1024;

/// Reads that wait for one another, by one call.
const CHAIN_READS: usize = 256;

/// The dimensions of scattered vectors of binary32: 64 bytes to 3 KiB.
const DIMS: [u32; 4] = [16, 128, 384, 768];

/// Scattered vectors compared by one call.
const SCATTERED_ROWS: usize = 256;

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// Measures reading in a row, one read after the other, and vectors here and there.
pub(super) fn measure(
    watch: &Watch<'_>,
    bytes: usize,
    spreads: &mut Vec<(String, f64)>,
) -> Result<MemoryTimes, MeasureError> {
    let memory = black_box(written(watch, bytes)?);
    let mut add = |what: &str, spread| spreads.push((what.to_owned(), spread));
    let stream = stream(watch, &memory)?;
    add("memory in a row", stream.1);
    let chain = chain(watch, &memory)?;
    add("memory, one read after the other", chain.1);
    let mut points = Vec::with_capacity(DIMS.len());
    for dim in DIMS {
        let (nanos, spread) = scattered(watch, &memory, dim)?;
        add(&format!("vectors of {} bytes here and there", dim * 4), spread);
        points.push((f64::from(dim * 4), nanos));
    }
    let line: Line = fit(&points);
    Ok(MemoryTimes { sequential_byte_nanos: stream.0, dependent_nanos: chain.0, scattered: line })
}

/// Memory that was written, not only asked for: the system gives pages when they are.
fn written(watch: &Watch<'_>, bytes: usize) -> Result<Vec<u8>, Stopped> {
    let block = vectors(ElementType::F32, 1, STREAM_BYTES / 4);
    let mut memory = Vec::with_capacity(bytes);
    while memory.len() < bytes {
        watch.cancel.check()?;
        memory.extend_from_slice(&block[..STREAM_BYTES.min(bytes - memory.len())]);
    }
    Ok(memory)
}

/// A byte of many in a row. The whole memory is gone through in turn, so that none of
/// it is in a cache when its turn comes again.
fn stream(watch: &Watch<'_>, memory: &[u8]) -> Result<(f64, f64), Stopped> {
    let mut pieces = memory.chunks_exact(STREAM_BYTES.min(memory.len())).cycle();
    let sample = watch.repeat(|| {
        let (words, _) = pieces.next().unwrap_or_default().as_chunks::<8>();
        let sum =
            words.iter().fold(0, |sum: u64, word| sum.wrapping_add(u64::from_le_bytes(*word)));
        black_box(sum);
    })?;
    let sample = sample.each_of(STREAM_BYTES.min(memory.len()));
    Ok((sample.nanos, sample.spread))
}

/// A read whose place the one before tells.
fn chain(watch: &Watch<'_>, memory: &[u8]) -> Result<(f64, f64), Stopped> {
    let (lines, _) = memory.as_chunks::<LINE_BYTES>();
    let mut places = Places::of(lines.len());
    let sample = watch.repeat(|| {
        for _ in 0..CHAIN_READS {
            let line = &lines[places.next()];
            places.state = places.state.wrapping_add(u64::from(line[3]));
        }
        black_box(places.state);
    })?;
    let sample = sample.each_of(CHAIN_READS);
    Ok((sample.nanos, sample.spread))
}

/// A vector at a place that is known some vectors ahead.
fn scattered(watch: &Watch<'_>, memory: &[u8], dim: u32) -> Result<(f64, f64), Stopped> {
    let vector = VectorType::new(dim, ElementType::F32, Metric::L2).expect("a right type");
    let comparer = Comparer::new(vector, kernels());
    let count = memory.len() / vector.row_bytes();
    let rows = &memory[..count * vector.row_bytes()];
    let query = vectors(ElementType::F32, dim as usize, 1);
    let mut places = Places::of(count);
    let (mut at, mut keys) = ([0; SCATTERED_ROWS], [0.0; SCATTERED_ROWS]);
    let sample = watch.repeat(|| {
        for place in &mut at {
            *place = u32::try_from(places.next()).unwrap_or(0);
        }
        comparer.keys_at(&query, rows, &at, &mut keys);
        black_box(&mut keys);
    })?;
    let sample = sample.each_of(SCATTERED_ROWS);
    Ok((sample.nanos, sample.spread))
}

/// Places in no order that a prefetcher knows.
pub(super) struct Places {
    state: u64,
    count: u64,
}

impl Places {
    pub(super) fn of(count: usize) -> Self {
        Self { state: 1, count: count as u64 }
    }

    /// The next place, from the upper half of a linear congruential generator's number
    /// (Knuth's MMIX).
    pub(super) fn next(&mut self) -> usize {
        let (factor, more) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
        self.state = self.state.wrapping_mul(factor).wrapping_add(more);
        usize::try_from(((self.state >> 32) * self.count) >> 32).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_all_over_and_within() {
        let mut places = Places::of(1_000);
        let mut seen = vec![0; 1_000];
        (0..10_000).for_each(|_| seen[places.next()] += 1);
        let (least, most) = (seen.iter().min(), seen.iter().max());
        assert!(least > Some(&0) && most < Some(&40), "{least:?} to {most:?}");
    }
}
