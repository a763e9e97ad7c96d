//! How far ahead of its need a walk asks for memory, chosen by measuring.
//!
//! What a core can wait for at once, and how soon, differs from CPU to CPU and with
//! the rows' size. So, where a large graph is opened, some searches for its own rows
//! are timed under each of a few distances. Whatever is chosen, a search finds the
//! same rows by the same steps.

use crate::hnsw::mix;
use crate::{Index, Scratch, Search, Vectors};
use std::fmt;
use std::time::Duration;
use vicinal_types::{Cancel, Clock};

/// Smaller graphs are in the caches whatever one asks for.
const BYTES_MIN: usize = 64 * 1024 * 1024;

/// What measuring may take.
const BUDGET: Duration = Duration::from_millis(8);

/// Searches under each distance.
const ROUNDS: usize = 34;

/// The first of them find memory that nobody has touched, and do not count.
const ROUNDS_COLD: usize = 2;

/// With fewer searches in one of the two samples, nothing is chosen.
const SAMPLE_MIN: usize = 8;

/// A distance is taken if it needs less than this part of the default one's time
/// in both samples: the rest is noise.
const GAIN: f64 = 0.97;

/// The searches that are timed.
const K: usize = 10;
const EFFORT: usize = 48;

/// How far ahead a walk asks for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// How many of the unit.
    pub count: usize,
    /// What is asked for.
    pub unit: AheadUnit,
    /// Whether it was chosen by measuring; by the size of the rows otherwise.
    pub is_measured: bool,
}

/// What a walk asks for before it needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AheadUnit {
    /// Cache lines of the next vertex's record; more than it has: of the candidate
    /// behind it, too.
    Lines,
    /// The rows, or their codes, of neighbours.
    Rows,
}

impl fmt::Display for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            AheadUnit::Lines => "cache lines",
            AheadUnit::Rows => "rows",
        };
        write!(f, "{} {unit}{}", self.count, if self.is_measured { ", measured" } else { "" })
    }
}

impl Index {
    /// How far ahead a walk asks for memory; `None` for what is not walked, or not
    /// by our code, or from disk.
    pub fn ahead(&self, vectors: &Vectors) -> Option<Ahead> {
        let (unit, (count, is_measured)) = match self {
            Self::Graph(graph) => (AheadUnit::Lines, graph.ahead()),
            Self::Hnsw(hnsw) => (AheadUnit::Rows, hnsw.ahead(vectors)),
            Self::Flat(_)
            | Self::FlatCoded(_)
            | Self::Ivf(_)
            | Self::Paged(_)
            | Self::HnswRs(_)
            | Self::Faiss(_) => return None,
        };
        Some(Ahead { count, unit, is_measured })
    }

    /// Chooses how far ahead a walk asks for memory by timing some searches for
    /// rows of its own, if it is large; takes a few milliseconds.
    pub fn measure_ahead(&mut self, vectors: &Vectors, clock: &dyn Clock) {
        self.set_ahead(None);
        let Some(Ahead { count: default, unit, .. }) = self.ahead(vectors) else { return };
        if self.bytes() + vectors.bytes().len() < BYTES_MIN {
            return;
        }
        let options = match unit {
            AheadUnit::Lines => [default, default / 2, default * 5 / 4, default * 3 / 2],
            AheadUnit::Rows => [default, default / 2, default * 2, default * 4],
        };
        let options = options.map(|count| count.max(1));
        let nanos = self.time(vectors, &options, clock);
        self.set_ahead(choose(&options, &nanos));
    }

    /// The times of an expansion under each distance, which take turns: the medians
    /// of two samples; infinity if there is no time for enough searches.
    fn time<const N: usize>(
        &mut self,
        vectors: &Vectors,
        options: &[usize; N],
        clock: &dyn Clock,
    ) -> [[f64; 2]; N] {
        let (mut scratch, never) = (Scratch::default(), Cancel::never());
        let mut samples = [const { [const { Vec::new() }; 2] }; N];
        let began = clock.now();
        for round in 0..ROUNDS {
            for turn in 0..N {
                let at = (turn + round) % N;
                self.set_ahead(Some(options[at]));
                let number = mix((round * N + turn) as u64) % u64::from(vectors.len().max(1));
                #[expect(clippy::cast_possible_truncation, reason = "below the rows")]
                let query = vectors.row(number as u32);
                let started = clock.now();
                let search = Search::new(K, EFFORT);
                let found = self.search(vectors, query, &search, &mut scratch, &never);
                let took = clock.now().saturating_duration_since(started);
                let Ok(found) = found else { return [[f64::INFINITY; 2]; N] };
                let nanos = took.as_nanos() as f64 / found.work.expanded.max(1) as f64;
                scratch.give_back(found.neighbors);
                if round >= ROUNDS_COLD {
                    samples[at][round % 2].push(nanos);
                }
            }
            if clock.now().saturating_duration_since(began) > BUDGET {
                break;
            }
        }
        samples.map(|samples| samples.map(median))
    }

    fn set_ahead(&mut self, count: Option<usize>) {
        match self {
            Self::Graph(graph) => graph.set_ahead(count),
            Self::Hnsw(hnsw) => hnsw.ahead = count,
            Self::Flat(_)
            | Self::FlatCoded(_)
            | Self::Ivf(_)
            | Self::Paged(_)
            | Self::HnswRs(_)
            | Self::Faiss(_) => {}
        }
    }
}

/// The fastest distance, if it is clearly faster than the first in both samples.
fn choose(options: &[usize], nanos: &[[f64; 2]]) -> Option<usize> {
    let is_faster = |times: &[f64; 2]| (0..2).all(|at| times[at] < GAIN * nanos[0][at]);
    let faster = nanos.iter().zip(options).filter(|(times, _)| is_faster(times));
    let best = faster.min_by(|(a, _), (b, _)| (a[0] + a[1]).total_cmp(&(b[0] + b[1])));
    best.map(|(_, count)| *count)
}

/// Infinity if there are too few.
fn median(mut nanos: Vec<f64>) -> f64 {
    let middle = nanos.len() / 2;
    if nanos.len() < SAMPLE_MIN {
        return f64::INFINITY;
    }
    *nanos.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests;
