//! What a filter changes about a search of an index.

/// Codes of rows that pass, looked at one after the other, that cost as much as a row
/// somewhere in memory.
pub(crate) const CODES_PER_COMPARISON: u64 = 10;

/// Rows that are compared after a look at codes.
pub(crate) const RERANKED: u64 = 100;

/// The effort that finds as much where only some of the rows count, of a walk that goes
/// to its results past others: it sees more of what is around. Measured with a share of
/// 0.1 to 0.9 of wordnet384 strewn or in clumps, a third to two thirds of the candidates
/// beyond `k` do (`vicinal bench ann --passing`).
pub(crate) fn effort_among(effort: usize, k: usize) -> usize {
    k + effort.saturating_sub(k).div_ceil(2)
}
