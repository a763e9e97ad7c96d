//! Tiles of many vectors against many with NEON.
//!
//! A register has four lanes and there are 32 of them, so a tile is four queries
//! by four panels. Integers have no tiles here: their products are summed in
//! pairs, which are not one row's.

use crate::tiles::{LINE_BYTES, Panels, Tile, Tiles, WORDS};
use std::arch::aarch64::*;

const LANES: usize = 4;

const FLOATS: Tiles = Tiles {
    lanes: LANES,
    panels_max: 4,
    queries_max: 4,
    bytes_per_word: 4,
    pack_queries: pack_f32,
    pack_rows: pack_f32,
    query_addend: None,
    row_addend: None,
    sum: l2_floats,
};
const HALVES: Tiles =
    Tiles { bytes_per_word: 2, pack_queries: pack_f16, pack_rows: pack_f16, ..FLOATS };
const BRAINS: Tiles = Tiles { pack_queries: pack_bf16, pack_rows: pack_bf16, ..HALVES };

pub(super) static L2_F32: Tiles = FLOATS;
pub(super) static DOT_F32: Tiles = Tiles { sum: dot_floats, ..FLOATS };
pub(super) static L2_F16: Tiles = HALVES;
pub(super) static DOT_F16: Tiles = Tiles { sum: dot_floats, ..HALVES };
pub(super) static L2_BF16: Tiles = BRAINS;
pub(super) static DOT_BF16: Tiles = Tiles { sum: dot_floats, ..BRAINS };

/// Packs vectors by widening `BYTES` bytes of each of four vectors to floats.
///
/// # Safety
/// As for [`Pack`](crate::tiles::Pack).
#[inline]
#[target_feature(enable = "neon")]
unsafe fn pack<const BYTES: usize>(
    vectors: &[u8],
    row_bytes: usize,
    room: Panels<'_>,
    widen: impl Fn(&[u8; BYTES]) -> float32x4_t,
) {
    let Panels { lines, panels, words } = room;
    let blocks = words.next_multiple_of(LANES);
    assert!(lines.len() * WORDS >= blocks * panels * LANES, "there is room");
    let room = lines.as_mut_ptr().cast::<f32>();
    for (panel, vectors) in vectors.chunks(LANES * row_bytes).enumerate() {
        let last = vectors.len() / row_bytes - 1;
        for word in (0..words).step_by(LANES) {
            let first = word * BYTES / LANES;
            let mut block = [vdupq_n_f32(0.0); LANES];
            for (lane, block) in block.iter_mut().enumerate() {
                // Lanes without a vector repeat the last one.
                let vector = &vectors[lane.min(last) * row_bytes..][first..row_bytes];
                *block = match vector.first_chunk() {
                    Some(whole) => widen(whole),
                    None => {
                        let mut padded = [0; BYTES];
                        padded[..vector.len()].copy_from_slice(vector);
                        widen(&padded)
                    }
                };
            }
            for (at, column) in transpose(block).into_iter().enumerate() {
                let register = room.wrapping_add(((word + at) * panels + panel) * LANES);
                // SAFETY: there is room for whole blocks of words, asserted above.
                unsafe { vst1q_f32(register, column) };
            }
        }
    }
}

/// Turns rows into columns.
#[inline]
#[target_feature(enable = "neon")]
fn transpose([a, b, c, d]: [float32x4_t; LANES]) -> [float32x4_t; LANES] {
    let wide = |x| vreinterpretq_f64_f32(x);
    let (ab, cd) = (wide(vtrn1q_f32(a, b)), wide(vtrn1q_f32(c, d)));
    let (ab_odd, cd_odd) = (wide(vtrn2q_f32(a, b)), wide(vtrn2q_f32(c, d)));
    [
        vreinterpretq_f32_f64(vtrn1q_f64(ab, cd)),
        vreinterpretq_f32_f64(vtrn1q_f64(ab_odd, cd_odd)),
        vreinterpretq_f32_f64(vtrn2q_f64(ab, cd)),
        vreinterpretq_f32_f64(vtrn2q_f64(ab_odd, cd_odd)),
    ]
}

/// A packing function: `pack` with its load.
macro_rules! pack_kernel {
    ($name:ident, $bytes:literal, $load:ident) => {
        /// # Safety
        /// As for [`Pack`](crate::tiles::Pack).
        #[target_feature(enable = "neon")]
        unsafe fn $name(vectors: &[u8], row_bytes: usize, room: Panels<'_>) {
            // SAFETY: the caller's promise.
            unsafe { pack::<$bytes>(vectors, row_bytes, room, |block| super::$load(block)) }
        }
    };
}

pack_kernel!(pack_f32, 16, load_f32);
pack_kernel!(pack_f16, 8, load_f16);
pack_kernel!(pack_bf16, 8, load_bf16);

/// The sums of a tile: `step` for each word.
///
/// # Safety
/// The tile has [`Tiles`]' shape and `QUERIES` and `PANELS` are its counts; `out`
/// has a place for each pair.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn sum<const QUERIES: usize, const PANELS: usize>(
    tile: &Tile<'_>,
    out: &mut [f32],
    step: impl Fn(float32x4_t, float32x4_t, float32x4_t) -> float32x4_t,
) {
    let mut sums = [[vdupq_n_f32(0.0); PANELS]; QUERIES];
    // SAFETY: each panel has words + 1 registers, and the query's lane is in them.
    let mut query_at = unsafe { tile.queries.as_ptr().cast::<f32>().add(tile.query) };
    let mut rows_at = tile.rows.as_ptr().cast::<f32>();
    let mut ahead = tile.ahead.chunks(2 * LINE_BYTES);
    for _ in 0..tile.words {
        if let Some(lines) = ahead.next() {
            crate::prefetch::prefetch(lines);
        }
        let mut rows = [vdupq_n_f32(0.0); PANELS];
        for (panel, rows) in rows.iter_mut().enumerate() {
            // SAFETY: as above.
            *rows = unsafe { vld1q_f32(rows_at.add(panel * LANES)) };
        }
        for (query, sums) in sums.iter_mut().enumerate() {
            // SAFETY: as above.
            let query = vdupq_n_f32(unsafe { *query_at.add(query) });
            for (sum, rows) in sums.iter_mut().zip(rows) {
                *sum = step(*sum, rows, query);
            }
        }
        // SAFETY: there is one register more than there are words.
        (query_at, rows_at) = unsafe { (query_at.add(LANES), rows_at.add(PANELS * LANES)) };
    }
    for (query, sums) in sums.iter().enumerate() {
        let out = &mut out[query * tile.stride..][..tile.row_count];
        for (sum, out) in sums.iter().zip(out.chunks_mut(LANES)) {
            let mut keys = [0.0; LANES];
            // SAFETY: the array has room for four floats.
            unsafe { vst1q_f32(keys.as_mut_ptr(), *sum) };
            for (out, key) in out.iter_mut().zip(keys) {
                *out = crate::tiles::order(tile.sign, key);
            }
        }
    }
}

/// A function for tiles of any counts: `sum` with its step.
macro_rules! tile_kernel {
    ($name:ident, $step:expr) => {
        /// # Safety
        /// As for [`sum`].
        #[target_feature(enable = "neon")]
        unsafe fn $name(tile: &Tile<'_>, out: &mut [f32]) {
            // SAFETY: the caller's promise; the counts are those of the tile.
            unsafe {
                match (tile.query_count, tile.panels) {
                    (4, 4) => sum::<4, 4>(tile, out, $step),
                    (2, 4) => sum::<2, 4>(tile, out, $step),
                    (1, 4) => sum::<1, 4>(tile, out, $step),
                    (4, 3) => sum::<4, 3>(tile, out, $step),
                    (2, 3) => sum::<2, 3>(tile, out, $step),
                    (1, 3) => sum::<1, 3>(tile, out, $step),
                    (4, 2) => sum::<4, 2>(tile, out, $step),
                    (2, 2) => sum::<2, 2>(tile, out, $step),
                    (1, 2) => sum::<1, 2>(tile, out, $step),
                    (4, 1) => sum::<4, 1>(tile, out, $step),
                    (2, 1) => sum::<2, 1>(tile, out, $step),
                    (1, 1) => sum::<1, 1>(tile, out, $step),
                    (queries, panels) => unreachable!("no tile is {queries} by {panels}"),
                }
            }
        }
    };
}

tile_kernel!(l2_floats, |sum, row, query| super::l2_step(sum, row, query));
tile_kernel!(dot_floats, |sum, row, query| vfmaq_f32(sum, row, query));
