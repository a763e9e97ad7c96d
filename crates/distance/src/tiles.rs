//! Comparing many vectors with many: each row is read once for all queries.
//!
//! Plainly: for each query, for each row, sum over the elements. Tricks: (1) as
//! many rows as a register has lanes are transposed into a *panel* of 32-bit
//! words, so that a lane sums up one row and no sum is folded across lanes.
//! (2) Queries are packed alike; a word of a query is spread over a register and
//! meets the rows of up to three panels, a tile of sums stays in registers.
//! (3) A word is one float, widened while packing, or several integers that one
//! instruction multiplies and adds. (4) The panels of a step stay in the cache
//! while all queries of a block pass over them, and the next step's rows are
//! asked for meanwhile.

use crate::kernels::{Kernel, Rows};

/// Queries packed at once: enough that packing the rows again for the next block
/// costs little, few enough to stay in the second-level cache.
const QUERIES_MAX: usize = 256;

/// With fewer queries than this, packing rows costs more than it saves.
const QUERIES_MIN: usize = 4;

/// Bytes of rows that pass over the first-level cache for all queries, where
/// there are no tiles.
const ROWS_BYTES: usize = 16 * 1024;

/// A cache line of packed words.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u32; WORDS]);

/// Words in a line.
pub(crate) const WORDS: usize = 16;

/// Bytes in a line.
pub(crate) const LINE_BYTES: usize = size_of::<Line>();

/// How one instruction set compares tiles of one element type by one metric.
///
/// A packed panel of `lanes` vectors is `words` + 1 registers: a word of each
/// vector after the other, then what is added to each vector's sum.
pub(crate) struct Tiles {
    /// Vectors in a panel: 32-bit lanes of a register.
    pub(crate) lanes: usize,
    /// Most panels of rows in a tile.
    pub(crate) panels_max: usize,
    /// Most queries in a tile; a power of two that divides `lanes`.
    pub(crate) queries_max: usize,
    /// Source bytes that fill a word.
    pub(crate) bytes_per_word: usize,
    pub(crate) pack_queries: Pack,
    pub(crate) pack_rows: Pack,
    /// What is added to all sums of a query.
    pub(crate) query_addend: Option<Addend>,
    /// What is added to all sums of a row.
    pub(crate) row_addend: Option<Addend>,
    pub(crate) sum: unsafe fn(&Tile<'_>, &mut [f32]),
}

/// Packs vectors of `row_bytes` bytes, the second argument, into panels that
/// lie word by word beside each other.
///
/// # Safety
/// The instruction set must be there. There must be 1 to `panels` · lanes whole
/// vectors. It writes whole blocks of as many words as there are lanes.
pub(crate) type Pack = unsafe fn(&[u8], usize, Panels<'_>);

/// A whole number made of one vector.
///
/// # Safety
/// The instruction set must be there.
pub(crate) type Addend = unsafe fn(&[u8]) -> i32;

/// Room for packed panels.
pub(crate) struct Panels<'a> {
    pub(crate) lines: &'a mut [Line],
    pub(crate) panels: usize,
    pub(crate) words: usize,
}

/// Some queries of a packed panel and the rows of some panels.
pub(crate) struct Tile<'a> {
    pub(crate) queries: &'a [Line],
    /// The first query's lane.
    pub(crate) query: usize,
    /// A power of two, at most `queries_max`.
    pub(crate) query_count: usize,
    pub(crate) rows: &'a [Line],
    /// Panels of rows, at most `panels_max`.
    pub(crate) panels: usize,
    pub(crate) row_count: usize,
    pub(crate) words: usize,
    /// Keys from one query to the next.
    pub(crate) stride: usize,
    /// What turns a sum into a key.
    pub(crate) sign: f32,
    /// Rows of a later tile, asked for while this one is summed up.
    pub(crate) ahead: &'a [u8],
}

/// Vectors of `row_bytes` bytes to compare: all of one with all of the other.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) queries: &'a [u8],
    pub(crate) rows: &'a [u8],
    pub(crate) row_bytes: usize,
    pub(crate) sign: f32,
}

/// Writes the key of query q and row r to `out[q * row count + r]`.
///
/// # Safety
/// The instruction set of `kernel` must be there; `queries` and `rows` hold whole
/// vectors and `out` has a place for each pair.
pub(crate) unsafe fn compare(kernel: &Kernel, job: Job<'_>, out: &mut [f32]) {
    let row_count = job.rows.len() / job.row_bytes;
    if row_count == 0 {
        return;
    }
    match kernel.tiles {
        Some(tiles) if job.queries.len() >= QUERIES_MIN * job.row_bytes => {
            let queries = job.queries.chunks(QUERIES_MAX * job.row_bytes);
            for (queries, out) in queries.zip(out.chunks_mut(QUERIES_MAX * row_count)) {
                // SAFETY: the caller's promise.
                unsafe { tiled(tiles, Job { queries, ..job }, out) };
            }
        }
        // SAFETY: the caller's promise.
        Some(_) | None => unsafe { by_query(kernel.rows, job, out) },
    }
}

/// # Safety
/// As for [`compare`].
unsafe fn by_query(kernel: Rows, job: Job<'_>, out: &mut [f32]) {
    let row_count = job.rows.len() / job.row_bytes;
    let step = (ROWS_BYTES / job.row_bytes).max(1);
    for first in (0..row_count).step_by(step) {
        let last = (first + step).min(row_count);
        let rows = &job.rows[first * job.row_bytes..last * job.row_bytes];
        let queries = job.queries.chunks_exact(job.row_bytes);
        for (query, out) in queries.zip(out.chunks_exact_mut(row_count)) {
            let out = &mut out[first..last];
            // SAFETY: the caller's promise; there are as many results as rows.
            unsafe { kernel(query, rows, out) };
            for key in out {
                *key = order(job.sign, *key);
            }
        }
    }
}

/// # Safety
/// As for [`compare`].
unsafe fn tiled(tiles: &Tiles, job: Job<'_>, out: &mut [f32]) {
    let row_bytes = job.row_bytes;
    let (row_count, query_count) = (job.rows.len() / row_bytes, job.queries.len() / row_bytes);
    let words = row_bytes.div_ceil(tiles.bytes_per_word);
    let mut packed: Vec<_> = Vec::new();
    for queries in job.queries.chunks(tiles.lanes * row_bytes) {
        let mut lines = tiles.room(1, words);
        let panels = Panels { lines: &mut lines, panels: 1, words };
        // SAFETY: the caller's promise; the chunk has at most one panel's vectors.
        unsafe { tiles.pack(tiles.pack_queries, tiles.query_addend, queries, row_bytes, panels) };
        packed.push(lines);
    }
    let mut lines = tiles.room(tiles.panels_max, words);
    let step = tiles.lanes * tiles.panels_max;
    for first in (0..row_count).step_by(step) {
        let (rows, later) =
            job.rows[first * row_bytes..].split_at(step.min(row_count - first) * row_bytes);
        let panels = (rows.len() / row_bytes).div_ceil(tiles.lanes);
        let room = Panels { lines: &mut lines, panels, words };
        // SAFETY: the caller's promise; the chunk has at most that many panels' vectors.
        unsafe { tiles.pack(tiles.pack_rows, tiles.row_addend, rows, row_bytes, room) };
        let mut query = 0;
        let tile_count = query_count.div_ceil(tiles.queries_max);
        let ahead_bytes = rows.len().div_ceil(tile_count).next_multiple_of(LINE_BYTES);
        let mut ahead = later[..rows.len().min(later.len())].chunks(ahead_bytes);
        while query < query_count {
            let tile = Tile {
                queries: &packed[query / tiles.lanes],
                query: query % tiles.lanes,
                query_count: 1 << tiles.queries_max.min(query_count - query).ilog2(),
                rows: &lines,
                panels,
                row_count: rows.len() / row_bytes,
                words,
                stride: row_count,
                sign: job.sign,
                ahead: ahead.next().unwrap_or_default(),
            };
            // SAFETY: the caller's promise; the panels were packed above.
            unsafe { (tiles.sum)(&tile, &mut out[query * row_count + first..]) };
            query += tile.query_count;
        }
    }
}

impl Tiles {
    /// Room for so many panels, whole blocks of words and the addends.
    fn room(&self, panels: usize, words: usize) -> Vec<Line> {
        let registers = panels * (words.next_multiple_of(self.lanes) + 1);
        vec![Line([0; WORDS]); (registers * self.lanes).div_ceil(WORDS)]
    }

    /// Packs vectors of `row_bytes` bytes and writes their addends behind the words.
    ///
    /// # Safety
    /// As for [`Pack`] and [`Addend`].
    unsafe fn pack(
        &self,
        pack: Pack,
        addend: Option<Addend>,
        vectors: &[u8],
        row_bytes: usize,
        room: Panels<'_>,
    ) {
        let Panels { lines, panels, words } = room;
        // SAFETY: the caller's promise.
        unsafe { pack(vectors, row_bytes, Panels { lines: &mut *lines, panels, words }) };
        let Some(addend) = addend else { return };
        for (at, vector) in vectors.chunks_exact(row_bytes).enumerate() {
            let at = words * panels * self.lanes + at;
            // SAFETY: the caller's promise.
            lines[at / WORDS].0[at % WORDS] = unsafe { addend(vector) }.cast_unsigned();
        }
    }
}

/// NaN becomes infinity and -0.0 becomes 0.0, so that keys are ordered.
#[inline]
pub(crate) fn order(sign: f32, raw: f32) -> f32 {
    (sign * raw).min(f32::INFINITY) + 0.0
}
