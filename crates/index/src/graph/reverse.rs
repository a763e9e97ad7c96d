//! The links of a graph in the other direction.

use super::links::Links;
use crate::neighbors::Ranked;
use rayon::prelude::*;

/// Parts for each thread: some rows have many more links to them than others.
const PARTS_PER_THREAD: usize = 4;

/// For every row those that link to it.
pub(super) struct Reverse {
    part_rows: usize,
    parts: Vec<Part>,
}

/// The same for some rows one behind the other.
struct Part {
    /// Where the sources of a row begin; one more, where the last end.
    starts: Vec<u32>,
    sources: Vec<Ranked>,
}

impl Reverse {
    /// Turns all links around, on the pool it is called in. Every part looks at
    /// all links, in order: reading them is the least of it.
    pub(super) fn new(links: &Links, rows: usize) -> Self {
        let count = rayon::current_num_threads() * PARTS_PER_THREAD;
        let part_rows = rows.div_ceil(count).max(1);
        let parts = (0..rows).into_par_iter().step_by(part_rows).map(|first| {
            let last = (first + part_rows).min(rows);
            Part::new(links, first..last)
        });
        Self { part_rows, parts: parts.collect() }
    }

    /// The rows that link to a row, ascending, with the keys of the links.
    pub(super) fn of(&self, row: u32) -> &[Ranked] {
        let part = &self.parts[row as usize / self.part_rows];
        let at = row as usize % self.part_rows;
        &part.sources[part.starts[at] as usize..part.starts[at + 1] as usize]
    }
}

impl Part {
    fn new(links: &Links, targets: std::ops::Range<usize>) -> Self {
        let place = |link: Ranked| (link.id() as usize).checked_sub(targets.start);
        let place = |link| place(link).filter(|&at| at < targets.len());
        let mut starts = vec![0_u32; targets.len() + 1];
        for (_, link) in links.all() {
            if let Some(at) = place(link) {
                starts[at + 1] += 1;
            }
        }
        for at in 0..targets.len() {
            starts[at + 1] += starts[at];
        }
        let mut ends = starts.clone();
        let mut sources = vec![Ranked::FARTHEST; starts[targets.len()] as usize];
        for (row, link) in links.all() {
            if let Some(at) = place(link) {
                sources[ends[at] as usize] = Ranked::new(link.key(), row);
                ends[at] += 1;
            }
        }
        Self { starts, sources }
    }
}
