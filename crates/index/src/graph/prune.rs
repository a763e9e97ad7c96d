//! Choosing which candidates a vertex links to.

use super::compact::Compact;
use crate::neighbors::Ranked;
use vicinal_distance::Comparer;

/// Squared distances to those kept count for so much more. Measured on embeddings
/// with queries of another kind, 1.1 finds more than 1 and than 1.2 at equal work.
pub(super) const SLACK: f32 = 1.1;

/// Memory of a choosing thread.
#[derive(Debug, Default)]
pub(super) struct PruneScratch {
    /// Codes of the candidates, nearest first.
    codes: Vec<u8>,
    /// Codes of the candidates kept.
    kept_codes: Vec<u8>,
    keys: Vec<f32>,
    kept: Vec<Ranked>,
    dropped: Vec<Ranked>,
}

impl PruneScratch {
    /// Chooses at most `degree` of `candidates`, which are sorted and different.
    ///
    /// A candidate is kept unless one that is kept already is nearer to it than the
    /// vertex by more than [`SLACK`] (the rule of HNSW and NSG, made looser as in
    /// Vamana): each direction gets its nearest. Free places then go to the nearest of those
    /// dropped: a record has them anyway, and they cost nothing.
    pub(super) fn choose(
        &mut self,
        compact: &Compact,
        candidates: &[Ranked],
        degree: usize,
    ) -> &[Ranked] {
        compact.gather(candidates.iter().map(|candidate| candidate.id()), &mut self.codes);
        let slack = if compact.is_l2() { SLACK } else { 1.0 };
        self.choose_by_codes(compact.comparer(), slack, candidates, degree).0
    }

    /// Forgets the candidates gathered before.
    pub(super) fn begin(&mut self) {
        self.codes.clear();
    }

    /// Takes what the next candidate is compared by.
    pub(super) fn gather(&mut self, code: &[u8]) {
        self.codes.extend_from_slice(code);
    }

    /// [`choose`](Self::choose) among candidates that were gathered, and how many of those
    /// chosen, the first, have no other in their way.
    pub(super) fn choose_by_codes(
        &mut self,
        comparer: &Comparer,
        slack: f32,
        candidates: &[Ranked],
        degree: usize,
    ) -> (&[Ranked], usize) {
        let Self { codes, kept_codes, keys, kept, dropped } = self;
        let code_bytes = comparer.vector_type().row_bytes();
        kept_codes.clear();
        kept.clear();
        dropped.clear();
        for (&candidate, code) in candidates.iter().zip(codes.chunks_exact(code_bytes)) {
            if kept.len() == degree {
                break;
            }
            let is_covered = kept_codes.chunks(code_bytes * 8).any(|some| {
                keys.resize(some.len() / code_bytes, 0.0);
                comparer.keys(code, some, keys);
                keys.iter().any(|&key| key * slack < candidate.key())
            });
            if is_covered {
                dropped.push(candidate);
            } else {
                kept.push(candidate);
                kept_codes.extend_from_slice(code);
            }
        }
        let count = kept.len();
        kept.extend(dropped.iter().take(degree - count));
        (kept, count)
    }
}
