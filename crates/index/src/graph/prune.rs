//! Choosing which candidates a vertex links to.

use super::compact::Compact;
use crate::neighbors::Ranked;

/// Squared distances to those kept count for so much more. Measured on embeddings
/// with queries of another kind, 1.1 finds more than 1 and than 1.2 at equal work.
const SLACK: f32 = 1.1;

/// Memory of a choosing thread.
#[derive(Default)]
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
        let Self { codes, kept_codes, keys, kept, dropped } = self;
        let dim = compact.dim();
        let slack = if compact.is_l2() { SLACK } else { 1.0 };
        compact.gather(candidates.iter().map(|candidate| candidate.id()), codes);
        kept_codes.clear();
        kept.clear();
        dropped.clear();
        for (&candidate, code) in candidates.iter().zip(codes.chunks_exact(dim)) {
            if kept.len() == degree {
                break;
            }
            let is_covered = kept_codes.chunks(dim * 8).any(|some| {
                keys.resize(some.len() / dim, 0.0);
                compact.comparer().keys(code, some, keys);
                keys.iter().any(|&key| key * slack < candidate.key())
            });
            if is_covered {
                dropped.push(candidate);
            } else {
                kept.push(candidate);
                kept_codes.extend_from_slice(code);
            }
        }
        let free = degree - kept.len();
        kept.extend(dropped.iter().take(free));
        kept
    }
}
