//! Rows that count while recall is measured, as if a filter had said so.

use super::Calibration;
use crate::Vectors;
use crate::hnsw::mix;
use rayon::prelude::*;
use vicinal_types::{Among, Bitmap, Cancel, Stopped};

/// Clumps that the rows are in: as many as the values of a column that goes with what
/// vectors are about.
const CLUMPS: u8 = 64;

/// Rows whose clump is found between two looks at the clock.
const ROWS_PER_CHECK: usize = 16_384;

/// The rows of each wish that count, none of them a query; nothing for all.
pub(super) fn masks(
    vectors: &Vectors,
    wishes: &[Calibration],
    queries: &[u32],
    seed: u64,
    cancel: &Cancel,
) -> Result<Vec<Option<Bitmap>>, Stopped> {
    let has_clumps = wishes.iter().any(|wish| matches!(wish.among, Among::Clumps(_)));
    let clumps = if has_clumps { clumps(vectors, seed, cancel)? } else { Vec::new() };
    let mask = |wish: &Calibration| {
        let mut mask = match wish.among {
            Among::All => return None,
            Among::Strewn(percent) => strewn(vectors.len(), percent, seed),
            Among::Clumps(percent) => whole_clumps(&clumps, percent),
        };
        for row in queries {
            mask.remove(*row);
        }
        Some(mask)
    };
    Ok(wishes.iter().map(mask).collect())
}

fn strewn(rows: u32, percent: u8, seed: u64) -> Bitmap {
    let mut mask = Bitmap::new(rows as usize);
    let key = mix(seed ^ u64::from(percent));
    let is_in = |row: &u32| mix(key ^ u64::from(*row)) % 100 < u64::from(percent);
    for row in (0..rows).filter(is_in) {
        mask.insert(row);
    }
    mask
}

/// Clumps, and of the last one the first rows, until there are enough rows.
fn whole_clumps(clumps: &[u8], percent: u8) -> Bitmap {
    let mut mask = Bitmap::new(clumps.len());
    let mut left = clumps.len() * usize::from(percent) / 100;
    for clump in 0..=u8::MAX {
        let of_clump = (0..).zip(clumps).filter(|(_, of)| **of == clump);
        for (row, _) in of_clump.take(left) {
            mask.insert(row);
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    mask
}

/// The clump of each row: the nearest of some rows.
fn clumps(vectors: &Vectors, seed: u64, cancel: &Cancel) -> Result<Vec<u8>, Stopped> {
    let comparer = vectors.comparer();
    let heart = |clump: u8| {
        let row = mix(mix(seed).wrapping_sub(u64::from(clump))) % u64::from(vectors.len());
        vectors.row(u32::try_from(row).unwrap_or(0))
    };
    let hearts: Vec<u8> = (0..CLUMPS).flat_map(heart).copied().collect();
    let mut clumps = vec![0; vectors.len() as usize];
    clumps.par_chunks_mut(ROWS_PER_CHECK).enumerate().try_for_each(|(chunk, clumps)| {
        cancel.check()?;
        let mut keys = [0.0; CLUMPS as usize];
        let first = u32::try_from(chunk * ROWS_PER_CHECK).unwrap_or(u32::MAX);
        for (row, clump) in (first..).zip(clumps) {
            comparer.keys(vectors.row(row), &hearts, &mut keys);
            let nearest = (0_u8..).zip(keys).min_by(|a, b| a.1.total_cmp(&b.1));
            *clump = nearest.map_or(0, |(clump, _)| clump);
        }
        Ok(())
    })?;
    Ok(clumps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_rows_count_as_were_wished_for() {
        for percent in [1, 12, 50, 90] {
            let count = strewn(10_000, percent, 3).count();
            assert!(count.abs_diff(usize::from(percent) * 100) < 200, "{percent}: {count}");
            let clumps: Vec<u8> = (0..10_000_u32).map(|row| (row % 64).to_le_bytes()[0]).collect();
            let mask = whole_clumps(&clumps, percent);
            assert_eq!(mask.count(), usize::from(percent) * 100);
            let whole = (0..10_000).filter(|row| row % 64 == 0);
            assert!(percent < 12 || whole.into_iter().all(|row| mask.contains(row)));
        }
    }
}
