//! Which rows may be found, as if a filter had said so.

use super::data::scattered;
use vicinal_index::Vectors;
use vicinal_types::Bitmap;

/// Clumps that the rows are in: as many as the values of a column that goes with what
/// vectors are about.
const CLUMPS: u32 = 64;

/// About `share` of the rows, always the same ones: strewn over all, or whole clumps of
/// rows that are near each other.
pub(super) fn mask(vectors: &Vectors, share: f64, is_clumped: bool) -> Bitmap {
    let rows = vectors.len();
    let mut mask = Bitmap::new(rows as usize);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share")]
    let wanted = (f64::from(rows) * share).round() as usize;
    let mut order: Vec<u32> = (0..rows).collect();
    let clumps = if is_clumped { clumps(vectors) } else { Vec::new() };
    let clump = |row: &u32| clumps.get(*row as usize).map_or(0, |clump| scattered(*clump));
    order.sort_by_cached_key(|row| (clump(row), scattered(u64::from(*row))));
    order.iter().take(wanted).for_each(|row| {
        mask.insert(*row);
    });
    mask
}

/// The clump of each row: its nearest of some rows.
fn clumps(vectors: &Vectors) -> Vec<u64> {
    let comparer = vectors.comparer();
    let heart = |clump: u32| {
        let scattered = scattered(u64::from(clump)) % u64::from(vectors.len());
        vectors.row(u32::try_from(scattered).unwrap_or(0))
    };
    let hearts: Vec<_> = (0..CLUMPS).map(heart).collect();
    let nearest = |row: u32| {
        let keys = hearts.iter().map(|heart| comparer.key(heart, vectors.row(row)));
        let nearest = (0..).zip(keys).min_by(|a: &(u64, f32), b| a.1.total_cmp(&b.1));
        nearest.map_or(0, |(clump, _)| clump)
    };
    (0..vectors.len()).map(nearest).collect()
}
