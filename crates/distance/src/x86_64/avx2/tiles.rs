//! Tiles of many vectors against many with AVX2.
//!
//! A register has eight lanes and there are sixteen of them, so a tile is four
//! queries by two panels. Bytes are widened to 16 bits while packing, two to a
//! word: one instruction multiplies and adds the pair exactly.

use crate::tiles::{LINE_BYTES, Panels, Tile, Tiles, WORDS};
use std::arch::x86_64::*;

const LANES: usize = 8;

const FLOATS: Tiles = Tiles {
    lanes: LANES,
    panels_max: 2,
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
const UNSIGNED: Tiles =
    Tiles { pack_queries: pack_u8, pack_rows: pack_u8, sum: l2_integers, ..HALVES };
const SIGNED: Tiles = Tiles { pack_queries: pack_i8, pack_rows: pack_i8, ..UNSIGNED };

pub(crate) static L2_F32: Tiles = FLOATS;
pub(crate) static DOT_F32: Tiles = Tiles { sum: dot_floats, ..FLOATS };
pub(crate) static L2_F16: Tiles = HALVES;
pub(crate) static DOT_F16: Tiles = Tiles { sum: dot_floats, ..HALVES };
pub(crate) static L2_BF16: Tiles = BRAINS;
pub(crate) static DOT_BF16: Tiles = Tiles { sum: dot_floats, ..BRAINS };
pub(crate) static L2_U8: Tiles = UNSIGNED;
pub(crate) static DOT_U8: Tiles = Tiles { sum: dot_integers, ..UNSIGNED };
pub(crate) static L2_I8: Tiles = SIGNED;
pub(crate) static DOT_I8: Tiles = Tiles { sum: dot_integers, ..SIGNED };

/// Packs vectors by widening `BYTES` bytes of each of eight vectors to words.
///
/// # Safety
/// As for [`Pack`](crate::tiles::Pack).
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
unsafe fn pack<const BYTES: usize>(
    vectors: &[u8],
    row_bytes: usize,
    room: Panels<'_>,
    widen: impl Fn(&[u8; BYTES]) -> __m256i,
) {
    let Panels { lines, panels, words } = room;
    let blocks = words.next_multiple_of(LANES);
    assert!(lines.len() * WORDS >= blocks * panels * LANES, "there is room");
    let room = lines.as_mut_ptr().cast::<__m256i>();
    for (panel, vectors) in vectors.chunks(LANES * row_bytes).enumerate() {
        let last = vectors.len() / row_bytes - 1;
        for word in (0..words).step_by(LANES) {
            let first = word * BYTES / LANES;
            let mut block = [_mm256_setzero_si256(); LANES];
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
            transpose(&mut block);
            for (at, column) in block.into_iter().enumerate() {
                let register = room.wrapping_add((word + at) * panels + panel);
                // SAFETY: there is room for whole blocks of words, asserted above;
                // half a line is aligned for a register.
                unsafe { _mm256_store_si256(register, column) };
            }
        }
    }
}

/// Turns rows of words into columns.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn transpose(rows: &mut [__m256i; LANES]) {
    // Four by four words in each half of the registers.
    for quad in rows.as_chunks_mut::<4>().0 {
        let [a, b, c, d] = *quad;
        let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
        let (ab_high, cd_high) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
        quad[0] = _mm256_unpacklo_epi64(ab, cd);
        quad[1] = _mm256_unpackhi_epi64(ab, cd);
        quad[2] = _mm256_unpacklo_epi64(ab_high, cd_high);
        quad[3] = _mm256_unpackhi_epi64(ab_high, cd_high);
    }
    // Then the halves.
    let quads = *rows;
    for column in 0..4 {
        let (low, high) = (quads[column], quads[column + 4]);
        rows[column] = _mm256_permute2x128_si256::<0x20>(low, high);
        rows[column + 4] = _mm256_permute2x128_si256::<0x31>(low, high);
    }
}

/// A packing function: `pack` with its load and conversion.
macro_rules! pack_kernel {
    ($name:ident, $bytes:literal, $widen:expr) => {
        /// # Safety
        /// As for [`Pack`](crate::tiles::Pack).
        #[target_feature(enable = "avx2,fma,f16c,popcnt")]
        unsafe fn $name(vectors: &[u8], row_bytes: usize, room: Panels<'_>) {
            // SAFETY: the caller's promise.
            unsafe { pack::<$bytes>(vectors, row_bytes, room, $widen) }
        }
    };
}

pack_kernel!(pack_f32, 32, |block| _mm256_castps_si256(super::load_f32(block)));
pack_kernel!(pack_f16, 16, |block| _mm256_castps_si256(super::load_f16(block)));
pack_kernel!(pack_bf16, 16, |block| _mm256_castps_si256(super::load_bf16(block)));
pack_kernel!(pack_u8, 16, |block| _mm256_cvtepu8_epi16(super::load_bytes(block)));
pack_kernel!(pack_i8, 16, |block| _mm256_cvtepi8_epi16(super::load_bytes(block)));

/// The sums of a tile: `step` for each word, then `finish`.
///
/// # Safety
/// The tile has [`Tiles`]' shape and `QUERIES` and `PANELS` are its counts; `out`
/// has a place for each pair.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
unsafe fn sum<const QUERIES: usize, const PANELS: usize>(
    tile: &Tile<'_>,
    out: &mut [f32],
    step: impl Fn(__m256i, __m256i, __m256i) -> __m256i,
    finish: impl Fn(__m256i) -> __m256,
) {
    let mut sums = [[_mm256_setzero_si256(); PANELS]; QUERIES];
    // SAFETY: each panel has words + 1 registers, and the query's lane is in them.
    let mut query_at = unsafe { tile.queries.as_ptr().cast::<i32>().add(tile.query) };
    let mut rows_at = tile.rows.as_ptr().cast::<__m256i>();
    let ahead = tile.ahead.as_ptr_range();
    let mut ahead_at = ahead.start;
    for _ in 0..tile.words {
        if ahead_at < ahead.end {
            _mm_prefetch::<_MM_HINT_T1>(ahead_at.cast());
            _mm_prefetch::<_MM_HINT_T1>(ahead_at.wrapping_add(LINE_BYTES).cast());
            ahead_at = ahead_at.wrapping_add(2 * LINE_BYTES);
        }
        let mut rows = [_mm256_setzero_si256(); PANELS];
        for (panel, rows) in rows.iter_mut().enumerate() {
            // SAFETY: as above; half a line is aligned for a register.
            *rows = unsafe { _mm256_load_si256(rows_at.add(panel)) };
        }
        for (query, sums) in sums.iter_mut().enumerate() {
            // SAFETY: as above.
            let query = _mm256_set1_epi32(unsafe { *query_at.add(query) });
            for (sum, rows) in sums.iter_mut().zip(rows) {
                *sum = step(*sum, rows, query);
            }
        }
        // SAFETY: there is one register more than there are words.
        (query_at, rows_at) = unsafe { (query_at.add(LANES), rows_at.add(PANELS)) };
    }
    let (sign, far) = (_mm256_set1_ps(tile.sign), _mm256_set1_ps(f32::INFINITY));
    for (query, sums) in sums.iter().enumerate() {
        let out = &mut out[query * tile.stride..][..tile.row_count];
        for (sum, out) in sums.iter().zip(out.chunks_mut(LANES)) {
            let key = _mm256_mul_ps(finish(*sum), sign);
            // Of a NaN and a number, the minimum is the second.
            let key = _mm256_add_ps(_mm256_min_ps(key, far), _mm256_setzero_ps());
            let lane = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
            #[expect(clippy::cast_possible_truncation, reason = "a chunk has eight places")]
            let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(out.len() as i32), lane);
            // SAFETY: the mask lets through as many keys as there are places.
            unsafe { _mm256_maskstore_ps(out.as_mut_ptr(), mask, key) };
        }
    }
}

/// A function for tiles of any counts: `sum` with its step and finish.
macro_rules! tile_kernel {
    ($name:ident, $step:expr, $finish:expr) => {
        /// # Safety
        /// As for [`sum`].
        #[target_feature(enable = "avx2,fma,f16c,popcnt")]
        unsafe fn $name(tile: &Tile<'_>, out: &mut [f32]) {
            // SAFETY: the caller's promise; the counts are those of the tile.
            unsafe {
                match (tile.query_count, tile.panels) {
                    (4, 2) => sum::<4, 2>(tile, out, $step, $finish),
                    (2, 2) => sum::<2, 2>(tile, out, $step, $finish),
                    (1, 2) => sum::<1, 2>(tile, out, $step, $finish),
                    (4, 1) => sum::<4, 1>(tile, out, $step, $finish),
                    (2, 1) => sum::<2, 1>(tile, out, $step, $finish),
                    (1, 1) => sum::<1, 1>(tile, out, $step, $finish),
                    (queries, panels) => unreachable!("no tile is {queries} by {panels}"),
                }
            }
        }
    };
}

tile_kernel!(
    l2_floats,
    |sum, row, query| {
        let difference = _mm256_sub_ps(floats(row), floats(query));
        _mm256_castps_si256(_mm256_fmadd_ps(difference, difference, floats(sum)))
    },
    |sum| floats(sum)
);
tile_kernel!(
    dot_floats,
    |sum, row, query| {
        _mm256_castps_si256(_mm256_fmadd_ps(floats(row), floats(query), floats(sum)))
    },
    |sum| floats(sum)
);
tile_kernel!(
    l2_integers,
    |sum, row, query| {
        let difference = _mm256_sub_epi16(row, query);
        _mm256_add_epi32(sum, _mm256_madd_epi16(difference, difference))
    },
    |sum| _mm256_cvtepi32_ps(sum)
);
tile_kernel!(
    dot_integers,
    |sum, row, query| _mm256_add_epi32(sum, _mm256_madd_epi16(row, query)),
    |sum| _mm256_cvtepi32_ps(sum)
);

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn floats(words: __m256i) -> __m256 {
    _mm256_castsi256_ps(words)
}
