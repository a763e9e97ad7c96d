//! Tiles of many vectors against many with AVX-512.
//!
//! Bytes are multiplied by VNNI's unsigned times signed instruction, four to a
//! word: the top bit of the rows' bytes is flipped, which adds 128 to a signed
//! byte and takes 128 from an unsigned one, and the query's addend puts that
//! right. A squared distance of integers is |q|² + |r|² - 2qr; it wraps around
//! on the way and is exact in the end. Floats are subtracted before they are
//! squared: |q|² + |r|² - 2qr would lose the near ones of far vectors, and on
//! Zen 4 the subtraction goes to pipes that are idle otherwise.

use super::{dot_i8_sum, dot_u8_sum, first, load_bf16, load_f16, load_f32};
use crate::tiles::{LINE_BYTES, Panels, Tile, Tiles};
use std::arch::x86_64::*;

const LANES: usize = 16;

const FLOATS: Tiles = Tiles {
    lanes: LANES,
    panels_max: 3,
    queries_max: 8,
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
const BYTES: Tiles =
    Tiles { pack_queries: pack_bytes::<0>, pack_rows: pack_bytes::<-128>, ..FLOATS };

pub(crate) static L2_F32: Tiles = FLOATS;
pub(crate) static DOT_F32: Tiles = Tiles { sum: dot_floats, ..FLOATS };
pub(crate) static L2_F16: Tiles = HALVES;
pub(crate) static DOT_F16: Tiles = Tiles { sum: dot_floats, ..HALVES };
pub(crate) static L2_BF16: Tiles = BRAINS;
pub(crate) static DOT_BF16: Tiles = Tiles { sum: dot_floats, ..BRAINS };
pub(crate) static L2_U8: Tiles =
    Tiles { query_addend: Some(l2_addend_u8), row_addend: Some(square_u8), sum: l2_u8, ..BYTES };
pub(crate) static DOT_U8: Tiles = Tiles { query_addend: Some(dot_addend_u8), sum: dot_u8, ..BYTES };
pub(crate) static L2_I8: Tiles =
    Tiles { query_addend: Some(l2_addend_i8), row_addend: Some(square_i8), sum: l2_i8, ..BYTES };
pub(crate) static DOT_I8: Tiles = Tiles { query_addend: Some(dot_addend_i8), sum: dot_i8, ..BYTES };

/// Packs vectors by loading sixteen words of each of sixteen vectors.
///
/// `load` gets a pointer and the number of bytes behind it, of which it reads at
/// most sixteen words' worth.
///
/// # Safety
/// As for [`Pack`](crate::tiles::Pack).
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
unsafe fn pack(
    vectors: &[u8],
    row_bytes: usize,
    room: Panels<'_>,
    bytes_per_word: usize,
    load: impl Fn(*const u8, usize) -> __m512i,
) {
    let Panels { lines, panels, words } = room;
    assert!(lines.len() >= words.next_multiple_of(LANES) * panels, "there is room");
    for (panel, vectors) in vectors.chunks(LANES * row_bytes).enumerate() {
        let last = vectors.len() / row_bytes - 1;
        for word in (0..words).step_by(LANES) {
            let first = word * bytes_per_word;
            let mut block = [_mm512_setzero_si512(); LANES];
            for (lane, block) in block.iter_mut().enumerate() {
                // Lanes without a vector repeat the last one.
                let at = vectors.as_ptr().wrapping_add(lane.min(last) * row_bytes + first);
                *block = load(at, row_bytes - first);
            }
            transpose(&mut block);
            let room = lines.as_mut_ptr().wrapping_add(word * panels + panel);
            for (at, column) in block.into_iter().enumerate() {
                let line = room.wrapping_add(at * panels);
                // SAFETY: there is room for whole blocks of words, asserted above, and
                // a line has room for a register and its alignment.
                unsafe { _mm512_store_si512(line.cast(), column) };
            }
        }
    }
}

/// Turns rows of words into columns.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn transpose(rows: &mut [__m512i; LANES]) {
    // Four by four words in each quarter of the registers.
    for quad in rows.as_chunks_mut::<4>().0 {
        let [a, b, c, d] = *quad;
        let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
        let (ab_high, cd_high) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
        quad[0] = _mm512_unpacklo_epi64(ab, cd);
        quad[1] = _mm512_unpackhi_epi64(ab, cd);
        quad[2] = _mm512_unpacklo_epi64(ab_high, cd_high);
        quad[3] = _mm512_unpackhi_epi64(ab_high, cd_high);
    }
    // Then the quarters.
    let quads = *rows;
    for column in 0..4 {
        let (a, b) = (quads[column], quads[column + 4]);
        let (c, d) = (quads[column + 8], quads[column + 12]);
        let even = _mm512_shuffle_i32x4::<0b10_00_10_00>(a, b);
        let even_high = _mm512_shuffle_i32x4::<0b10_00_10_00>(c, d);
        let odd = _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b);
        let odd_high = _mm512_shuffle_i32x4::<0b11_01_11_01>(c, d);
        rows[column] = _mm512_shuffle_i32x4::<0b10_00_10_00>(even, even_high);
        rows[column + 4] = _mm512_shuffle_i32x4::<0b10_00_10_00>(odd, odd_high);
        rows[column + 8] = _mm512_shuffle_i32x4::<0b11_01_11_01>(even, even_high);
        rows[column + 12] = _mm512_shuffle_i32x4::<0b11_01_11_01>(odd, odd_high);
    }
}

/// The mask of the first `count` of sixteen lanes.
fn lanes(count: usize) -> __mmask16 {
    #[expect(clippy::cast_possible_truncation, reason = "the mask of sixteen lanes has 16 bits")]
    if count >= LANES { __mmask16::MAX } else { first(count) as __mmask16 }
}

/// A packing function for floats: `pack` with its load.
macro_rules! pack_floats {
    ($name:ident, $bytes:literal, $load:ident) => {
        /// # Safety
        /// As for [`Pack`](crate::tiles::Pack).
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
        unsafe fn $name(vectors: &[u8], row_bytes: usize, room: Panels<'_>) {
            // SAFETY: the mask has the elements behind the pointer.
            let load = |at, bytes| _mm512_castps_si512(unsafe { $load(at, lanes(bytes / $bytes)) });
            // SAFETY: the caller's promise.
            unsafe { pack(vectors, row_bytes, room, $bytes, load) }
        }
    };
}

pack_floats!(pack_f32, 4, load_f32);
pack_floats!(pack_f16, 2, load_f16);
pack_floats!(pack_bf16, 2, load_bf16);

/// Packs four bytes a word, with the bits of `FLIP` flipped in each byte.
///
/// # Safety
/// As for [`Pack`](crate::tiles::Pack).
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
unsafe fn pack_bytes<const FLIP: i8>(vectors: &[u8], row_bytes: usize, room: Panels<'_>) {
    let load = |at: *const u8, bytes| {
        let mask = if bytes >= 64 { __mmask64::MAX } else { first(bytes) };
        // SAFETY: the mask has the bytes behind the pointer.
        let bytes = unsafe { _mm512_maskz_loadu_epi8(mask, at.cast()) };
        _mm512_xor_si512(bytes, _mm512_set1_epi8(FLIP))
    };
    // SAFETY: the caller's promise.
    unsafe { pack(vectors, row_bytes, room, 4, load) }
}

/// The sums of a tile: `step` for each word, `finish` with the addends.
///
/// # Safety
/// The tile has [`Tiles`]' shape and `QUERIES` and `PANELS` are its counts; `out`
/// has a place for each pair.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
unsafe fn sum<const QUERIES: usize, const PANELS: usize>(
    tile: &Tile<'_>,
    out: &mut [f32],
    step: impl Fn(__m512i, __m512i, __m512i) -> __m512i,
    finish: impl Fn(__m512i, __m512i, __m512i) -> __m512,
) {
    let mut sums = [[_mm512_setzero_si512(); PANELS]; QUERIES];
    // SAFETY: each panel has words + 1 lines, and the query's lane is in them.
    let mut query_at = unsafe { tile.queries.as_ptr().cast::<i32>().add(tile.query) };
    let mut rows_at = tile.rows.as_ptr().cast::<__m512i>();
    let ahead = tile.ahead.as_ptr_range();
    let mut ahead_at = ahead.start;
    for _ in 0..tile.words {
        if ahead_at < ahead.end {
            _mm_prefetch::<_MM_HINT_T1>(ahead_at.cast());
            _mm_prefetch::<_MM_HINT_T1>(ahead_at.wrapping_add(LINE_BYTES).cast());
            ahead_at = ahead_at.wrapping_add(2 * LINE_BYTES);
        }
        let mut rows = [_mm512_setzero_si512(); PANELS];
        for (panel, rows) in rows.iter_mut().enumerate() {
            // SAFETY: as above; a line is aligned for a register.
            *rows = unsafe { _mm512_load_si512(rows_at.add(panel)) };
        }
        for (query, sums) in sums.iter_mut().enumerate() {
            // SAFETY: as above.
            let query = _mm512_set1_epi32(unsafe { *query_at.add(query) });
            for (sum, rows) in sums.iter_mut().zip(rows) {
                *sum = step(*sum, rows, query);
            }
        }
        // SAFETY: there is one line more than there are words.
        (query_at, rows_at) = unsafe { (query_at.add(LANES), rows_at.add(PANELS)) };
    }
    let (sign, far) = (_mm512_set1_ps(tile.sign), _mm512_set1_ps(f32::INFINITY));
    for (query, sums) in sums.iter().enumerate() {
        // SAFETY: as above.
        let query_addend = _mm512_set1_epi32(unsafe { *query_at.add(query) });
        let out = &mut out[query * tile.stride..][..tile.row_count];
        for (panel, (sum, out)) in sums.iter().zip(out.chunks_mut(LANES)).enumerate() {
            // SAFETY: as above.
            let row_addend = unsafe { _mm512_load_si512(rows_at.add(panel)) };
            let key = _mm512_mul_ps(finish(*sum, row_addend, query_addend), sign);
            // Of a NaN and a number, the minimum is the second.
            let key = _mm512_add_ps(_mm512_min_ps(key, far), _mm512_setzero_ps());
            // SAFETY: the mask lets through as many keys as there are places.
            unsafe { _mm512_mask_storeu_ps(out.as_mut_ptr(), lanes(out.len()), key) };
        }
    }
}

/// A function for tiles of any counts: `sum` with its step and finish.
macro_rules! tile_kernel {
    ($name:ident, $step:expr, $finish:expr) => {
        /// # Safety
        /// As for [`sum`].
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
        unsafe fn $name(tile: &Tile<'_>, out: &mut [f32]) {
            // SAFETY: the caller's promise; the counts are those of the tile.
            unsafe {
                match (tile.query_count, tile.panels) {
                    (8, 3) => sum::<8, 3>(tile, out, $step, $finish),
                    (4, 3) => sum::<4, 3>(tile, out, $step, $finish),
                    (2, 3) => sum::<2, 3>(tile, out, $step, $finish),
                    (1, 3) => sum::<1, 3>(tile, out, $step, $finish),
                    (8, 2) => sum::<8, 2>(tile, out, $step, $finish),
                    (4, 2) => sum::<4, 2>(tile, out, $step, $finish),
                    (2, 2) => sum::<2, 2>(tile, out, $step, $finish),
                    (1, 2) => sum::<1, 2>(tile, out, $step, $finish),
                    (8, 1) => sum::<8, 1>(tile, out, $step, $finish),
                    (4, 1) => sum::<4, 1>(tile, out, $step, $finish),
                    (2, 1) => sum::<2, 1>(tile, out, $step, $finish),
                    (1, 1) => sum::<1, 1>(tile, out, $step, $finish),
                    (queries, panels) => unreachable!("no tile is {queries} by {panels}"),
                }
            }
        }
    };
}

tile_kernel!(l2_floats, |sum, row, query| l2_float(sum, row, query), |sum, _, _| floats(sum));
tile_kernel!(dot_floats, |sum, row, query| dot_float(sum, row, query), |sum, _, _| floats(sum));
tile_kernel!(dot_u8, |sum, row, query| _mm512_dpbusd_epi32(sum, query, row), |sum, _, query| {
    _mm512_cvtepi32_ps(_mm512_add_epi32(sum, query))
});
tile_kernel!(dot_i8, |sum, row, query| _mm512_dpbusd_epi32(sum, row, query), |sum, _, query| {
    _mm512_cvtepi32_ps(_mm512_add_epi32(sum, query))
});
tile_kernel!(l2_u8, |sum, row, query| _mm512_dpbusd_epi32(sum, query, row), |sum, row, query| {
    squares(sum, row, query)
});
tile_kernel!(l2_i8, |sum, row, query| _mm512_dpbusd_epi32(sum, row, query), |sum, row, query| {
    squares(sum, row, query)
});

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn floats(sum: __m512i) -> __m512 {
    _mm512_castsi512_ps(sum)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn l2_float(sum: __m512i, row: __m512i, query: __m512i) -> __m512i {
    let difference = _mm512_sub_ps(floats(row), floats(query));
    _mm512_castps_si512(_mm512_fmadd_ps(difference, difference, floats(sum)))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn dot_float(sum: __m512i, row: __m512i, query: __m512i) -> __m512i {
    _mm512_castps_si512(_mm512_fmadd_ps(floats(row), floats(query), floats(sum)))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn squares(products: __m512i, row: __m512i, query: __m512i) -> __m512 {
    let sum = _mm512_sub_epi32(_mm512_add_epi32(row, query), _mm512_slli_epi32::<1>(products));
    _mm512_cvtepi32_ps(sum)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn square_u8(vector: &[u8]) -> i32 {
    dot_u8_sum(vector, vector)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn square_i8(vector: &[u8]) -> i32 {
    dot_i8_sum(vector, vector)
}

/// What the rows' lack of 128 takes from the product.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn dot_addend_u8(query: &[u8]) -> i32 {
    query.iter().fold(0i32, |sum, &byte| sum.wrapping_add(i32::from(byte))).wrapping_mul(128)
}

/// What the rows' excess of 128 adds to the product.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn dot_addend_i8(query: &[u8]) -> i32 {
    let sum = query.iter().fold(0i32, |sum, byte| sum.wrapping_add(byte.cast_signed().into()));
    sum.wrapping_mul(-128)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn l2_addend_u8(query: &[u8]) -> i32 {
    square_u8(query).wrapping_sub(dot_addend_u8(query).wrapping_mul(2))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")]
fn l2_addend_i8(query: &[u8]) -> i32 {
    square_i8(query).wrapping_sub(dot_addend_i8(query).wrapping_mul(2))
}
