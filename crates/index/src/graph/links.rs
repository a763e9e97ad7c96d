//! The links of a graph under construction.

use super::compact::Compact;
use super::prune::PruneScratch;
use super::reverse::Reverse;
use crate::neighbors::Ranked;
use rayon::prelude::*;
use vicinal_types::{Cancel, Stopped};

/// Rows whose links a thread chooses at once.
const BLOCK: usize = 256;

/// Candidates for links that come from the other side, for each place.
const REVERSE_MAX: usize = 4;

/// Up to `degree` links of every row with their keys; free places at the end.
pub(super) struct Links {
    pub(super) degree: usize,
    places: Vec<Ranked>,
}

impl Links {
    /// The links of a row; after [`choose`](Self::choose) those that no other
    /// stands in the way of come first.
    pub(super) fn of(&self, row: u32) -> &[Ranked] {
        let places = &self.places[row as usize * self.degree..][..self.degree];
        &places[..places.iter().take_while(|place| **place < Ranked::FARTHEST).count()]
    }

    /// Chooses every row's links among what `candidates` writes for it, sorted
    /// and without the row itself.
    pub(super) fn choose(
        compact: &Compact,
        degree: usize,
        candidates: impl Fn(u32, &mut Vec<Ranked>) -> Result<(), Stopped> + Sync,
        cancel: &Cancel,
    ) -> Result<Self, Stopped> {
        let mut places = vec![Ranked::FARTHEST; compact.rows() * degree];
        places.par_chunks_mut(BLOCK * degree).enumerate().try_for_each_init(
            || (PruneScratch::default(), Vec::new()),
            |(scratch, near), (block, places)| {
                cancel.check()?;
                for (at, places) in places.chunks_exact_mut(degree).enumerate() {
                    #[expect(clippy::cast_possible_truncation, reason = "rows fit 32 bits")]
                    candidates((block * BLOCK + at) as u32, near)?;
                    let chosen = scratch.choose(compact, near, degree);
                    places[..chosen.len()].copy_from_slice(chosen);
                }
                Ok(())
            },
        )?;
        Ok(Self { degree, places })
    }

    /// All links with the rows they begin at, in the order of these.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, Ranked)> {
        let records = (0..).zip(self.places.chunks_exact(self.degree));
        records.flat_map(|(row, places)| {
            let links = places.iter().take_while(|place| **place < Ranked::FARTHEST);
            links.map(move |link| (row, *link))
        })
    }

    /// The places of all rows.
    pub(super) fn places(&mut self) -> &mut [Ranked] {
        &mut self.places
    }

    /// Adds the links of the other direction and chooses again where they are
    /// too many.
    pub(super) fn both_ways(&self, compact: &Compact, cancel: &Cancel) -> Result<Self, Stopped> {
        let reverse = Reverse::new(self, compact.rows());
        let candidates = |row: u32, out: &mut Vec<Ranked>| {
            out.clear();
            out.extend_from_slice(self.of(row));
            out.extend_from_slice(reverse.of(row));
            out.sort_unstable();
            out.dedup();
            out.truncate(self.degree * (1 + REVERSE_MAX));
            Ok(())
        };
        Self::choose(compact, self.degree, candidates, cancel)
    }
}
