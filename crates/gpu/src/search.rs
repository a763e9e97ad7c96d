//! A batch of queries over the rows of a device.

use crate::arguments::{FlatArgs, NormsArgs, RerankArgs, SelectArgs};
use crate::device::{Buffer, Device};
use crate::launch::{Compare, FlatPlan, FlatSize, LIST_ROWS_MAX, norms, rerank, select};
use crate::resident::{Kind, Resident};
use crate::sources::Element;
use std::sync::Arc;
use vicinal_index::{AcceleratorError, Batch, Candidates};
use zerocopy::IntoBytes;

/// Neighbours that may be asked for: twice as many are kept.
pub(crate) const K_MAX: usize = 1_024;

/// Bytes that the lists of a launch take at most; more queries go one after another.
const LISTS_BYTES_MAX: u64 = 256 << 20;

/// No row.
const NONE: u64 = u64::MAX;

/// A search that is cut into launches.
struct Plan {
    flat: FlatPlan,
    /// Rows that each list keeps.
    kept: u32,
    /// Rows that come back.
    returned: u32,
    /// Queries of a launch.
    queries: usize,
    is_reranked: bool,
}

/// Where what a launch needs lies in one piece of memory.
struct Layout {
    queries: usize,
    query_norms: usize,
    allowed: usize,
    lists: usize,
    counts: usize,
    thresholds: usize,
    selected: usize,
    reranked: usize,
    bytes: usize,
}

fn count_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Plan {
    fn new<D: Device>(device: &D, resident: &Resident<D>, batch: &Batch<'_>, count: usize) -> Self {
        let kind = resident.kind;
        let k = count_u32(batch.k).clamp(1, LIST_ROWS_MAX / 2);
        // What rounding may have put in another order comes back, too.
        let returned = k + (k / 4).max(6);
        let size = |queries, kept| FlatSize {
            element: kind.element,
            compare: kind.compare,
            rows: resident.vectors.len(),
            queries,
            words: kind.words(),
            k: kept,
        };
        let shape = |kept| {
            let plan = |queries| FlatPlan::new(device.facts(), size(queries, kept));
            let whole = plan(count_u32(count));
            let each = whole.list_bytes(1).max(1);
            let queries = usize::try_from(LISTS_BYTES_MAX / each).unwrap_or(1).clamp(1, count);
            (plan(count_u32(queries)), queries)
        };
        let (flat, queries) = shape(returned);
        let is_reranked = flat.is_tiles && !kind.is_integer();
        if !is_reranked {
            return Self { flat, kept: returned, returned, queries, is_reranked };
        }
        let kept = match kind.element {
            Element::F32 => (4 * k).max(k + 64).min(LIST_ROWS_MAX),
            Element::F16 | Element::Bf16 | Element::I8 | Element::U8 => returned,
        };
        let (flat, queries) = shape(kept);
        Self { flat, kept, returned, queries, is_reranked }
    }

    fn layout(&self, kind: Kind, queries: usize, allowed_bytes: usize) -> Layout {
        let mut bytes = 0;
        let mut place = |of: usize| {
            let at = bytes;
            bytes = (bytes + of).next_multiple_of(256);
            at
        };
        let lists = queries * self.flat.lists as usize;
        Layout {
            queries: place(queries * kind.pitch()),
            query_norms: place(queries * 4),
            allowed: place(allowed_bytes),
            lists: place(lists * self.flat.capacity as usize * 8),
            counts: place(lists * 4),
            thresholds: place(queries * 8),
            selected: place(queries * self.kept as usize * 8),
            reranked: place(queries * self.returned as usize * 8),
            bytes,
        }
    }
}

/// Candidates for each query; `scratch` is memory that is kept between searches.
pub(crate) fn search<D: Device>(
    device: &Arc<D>,
    resident: &Resident<D>,
    batch: &Batch<'_>,
    scratch: &mut Option<Buffer<D>>,
) -> Result<Vec<Candidates>, AcceleratorError> {
    let row_bytes = resident.kind.vector.row_bytes();
    let count = batch.queries.len() / row_bytes;
    if count == 0 {
        return Ok(Vec::new());
    }
    if resident.vectors.is_empty() {
        return Ok(vec![Candidates { rows: Vec::new(), beyond: None }; count]);
    }
    let plan = Plan::new(&**device, resident, batch, count);
    let mut found = Vec::with_capacity(count);
    for queries in batch.queries.chunks(plan.queries * row_bytes) {
        let part = Batch { queries, ..*batch };
        let part = launches(device, resident, &part, &plan, scratch).inspect_err(|_| {
            // What was started may still write there: it is given back behind that.
            drop(scratch.take());
        })?;
        found.extend(part);
    }
    Ok(found)
}

/// Memory of at least so many bytes.
fn room<'a, D: Device>(
    device: &Arc<D>,
    scratch: &'a mut Option<Buffer<D>>,
    bytes: usize,
) -> Result<&'a Buffer<D>, AcceleratorError> {
    let old = scratch.take().filter(|buffer| buffer.bytes() >= bytes);
    let buffer = match old {
        Some(buffer) => buffer,
        None => Buffer::new(device, bytes)?,
    };
    Ok(scratch.insert(buffer))
}

fn launches<D: Device>(
    device: &Arc<D>,
    resident: &Resident<D>,
    batch: &Batch<'_>,
    plan: &Plan,
    scratch: &mut Option<Buffer<D>>,
) -> Result<Vec<Candidates>, AcceleratorError> {
    let kind = resident.kind;
    let count = batch.queries.len() / kind.vector.row_bytes();
    let allowed = batch.allowed.map(|allowed| allowed.words().as_bytes()).unwrap_or_default();
    let layout = plan.layout(kind, count, allowed.len());
    let memory = room(device, scratch, layout.bytes)?;
    // SAFETY: the last search has downloaded what it found, so nothing uses this memory.
    unsafe {
        memory.upload(layout.queries, &kind.padded(batch.queries))?;
        memory.upload(layout.thresholds, vec![NONE; count].as_bytes())?;
        if !allowed.is_empty() {
            memory.upload(layout.allowed, allowed)?;
        }
    }
    // SAFETY: the layout has room for this plan and as many queries; the memory and the
    // rows stay until the downloads below.
    unsafe { start(device, resident, plan, (memory.address(), &layout), batch, count)? };
    let mut selected = vec![NONE; count * plan.kept as usize];
    memory.download(layout.selected, selected.as_mut_bytes())?;
    let mut reranked =
        vec![NONE; if plan.is_reranked { count * plan.returned as usize } else { 0 }];
    if plan.is_reranked {
        memory.download(layout.reranked, reranked.as_mut_bytes())?;
    }
    let query_bytes = batch.queries.chunks_exact(kind.vector.row_bytes());
    let selected = selected.chunks_exact(plan.kept as usize);
    let mut reranked = reranked.chunks_exact(plan.returned as usize);
    let found = query_bytes.zip(selected).map(|(query, selected)| {
        let bounds = Bounds::of(resident, query);
        match reranked.next() {
            None => bounds.candidates(selected),
            Some(reranked) => bounds.reranked(selected, reranked),
        }
    });
    Ok(found.collect())
}

/// Starts all kernels of a search.
///
/// # Safety
/// The layout is the plan's for `count` queries, in memory that is there, with the rows,
/// until the next download.
unsafe fn start<D: Device>(
    device: &Arc<D>,
    resident: &Resident<D>,
    plan: &Plan,
    (address, layout): (u64, &Layout),
    batch: &Batch<'_>,
    count: usize,
) -> Result<(), AcceleratorError> {
    let kind = resident.kind;
    let at = |place: usize| address + place as u64;
    let (words, queries) = (kind.words(), count_u32(count));
    let lengths = NormsArgs {
        rows: at(layout.queries),
        norms: at(layout.query_norms),
        row_count: queries,
        words,
    };
    let flat = FlatArgs {
        rows: resident.rows.address(),
        queries: at(layout.queries),
        allowed: batch.allowed.map_or(0, |_| at(layout.allowed)),
        row_norms: resident.norms.address(),
        query_norms: at(layout.query_norms),
        lists: at(layout.lists),
        counts: at(layout.counts),
        thresholds: at(layout.thresholds),
        row_count: resident.vectors.len(),
        query_count: queries,
        words,
        k: plan.kept,
        capacity: plan.flat.capacity,
        places: plan.flat.places,
    };
    let (merged, again) = behind(plan, &flat, (at(layout.selected), at(layout.reranked)));
    // The last launch may have fewer queries than the plan was made for.
    let mut scan = plan.flat.launch;
    scan.grid.1 = queries.div_ceil(plan.flat.queries);
    // SAFETY: every address is a place of the layout, which has room for this plan and as
    // many queries, or of the resident rows; both stay until the download below.
    unsafe {
        device.launch(&norms(device.facts(), kind.element, queries), lengths.as_bytes())?;
        device.launch(&scan, flat.as_bytes())?;
        device.launch(&select(queries), merged.as_bytes())?;
        if plan.is_reranked {
            device.launch(&rerank(kind.element, kind.compare, queries), again.as_bytes())?;
        }
    }
    Ok(())
}

/// What runs behind the comparing of all rows, and where it writes.
fn behind(
    plan: &Plan,
    flat: &FlatArgs,
    (selected, reranked): (u64, u64),
) -> (SelectArgs, RerankArgs) {
    let merged = SelectArgs {
        lists: flat.lists,
        counts: flat.counts,
        out: selected,
        list_count: plan.flat.lists,
        capacity: plan.flat.capacity,
        k: plan.kept,
        padding: 0,
    };
    let again = RerankArgs {
        rows: flat.rows,
        queries: flat.queries,
        candidates: merged.out,
        out: reranked,
        words: flat.words,
        count: plan.kept,
        k: plan.returned,
        padding: 0,
    };
    (merged, again)
}

/// How far the keys of a query and the rows of a device may be from the CPU's.
struct Bounds {
    kind: Kind,
    /// The product of the query's length and that of the longest row.
    lengths: f32,
    /// The sum of their squares.
    squares: f32,
}

impl Bounds {
    fn of<D: Device>(resident: &Resident<D>, query: &[u8]) -> Self {
        let kind = resident.kind;
        let query = match kind.compare {
            Compare::Dot => -resident.vectors.comparer().key(query, query),
            Compare::L2 => square_of(kind, query),
        };
        let lengths = query.sqrt() * resident.norm_max.sqrt();
        Self { kind, lengths, squares: query + resident.norm_max }
    }

    /// A rounding for every element, in both sums.
    fn rounding(&self) -> f32 {
        2.0 * (self.kind.vector.dim() + 8) as f32 * f32::EPSILON
    }

    /// The least key that the CPU can have where the device's, of single comparisons, is
    /// `key`.
    fn below_exact(&self, key: f32) -> f32 {
        if self.kind.is_integer() {
            return key;
        }
        let error = match self.kind.compare {
            Compare::L2 => self.rounding() * key + f32::MIN_POSITIVE,
            Compare::Dot => 1.1 * self.rounding() * self.lengths,
        };
        finite(key - error)
    }

    /// The same where the device's key is of a tile.
    fn below_tile(&self, key: f32) -> f32 {
        if self.kind.is_integer() {
            return key;
        }
        // Two operands of 11 bits each, cut off.
        let cut = if self.kind.element == Element::F32 { 1.0 / 512.0 } else { 0.0 };
        let dot = 1.1 * (cut + 2.0 * self.rounding()) * self.lengths;
        let error = match self.kind.compare {
            Compare::Dot => dot,
            Compare::L2 => 2.0 * dot + 2.0 * self.rounding() * self.squares + f32::MIN_POSITIVE,
        };
        finite(key - error)
    }

    fn candidates(&self, selected: &[u64]) -> Candidates {
        let found = found(selected);
        let beyond = last_of_full(selected, found).map(|key| self.below_exact(key));
        Candidates { rows: rows(found), beyond }
    }

    fn reranked(&self, selected: &[u64], reranked: &[u64]) -> Candidates {
        let found_again = found(reranked);
        // Rows that the tiles left out, and rows that comparing anew left out.
        let beyond_tiles = last_of_full(selected, found(selected)).map(|key| self.below_tile(key));
        let is_cut = found(selected).len() > found_again.len();
        let beyond = is_cut.then(|| last_of_full(reranked, found_again)).flatten();
        let beyond = match (beyond.map(|key| self.below_exact(key)), beyond_tiles) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Candidates { rows: rows(found_again), beyond }
    }
}

/// What is no number bounds nothing.
fn finite(bound: f32) -> f32 {
    if bound.is_finite() { bound } else { f32::NEG_INFINITY }
}

/// The square of a stored vector's length, by the definition of the inner product.
fn square_of(kind: Kind, query: &[u8]) -> f32 {
    if kind.is_integer() {
        return 0.0; // their keys are exact
    }
    let zero = vec![0; query.len()];
    // The squared distance from zero.
    vicinal_distance::Comparer::new(kind.vector, vicinal_distance::kernels()).key(query, &zero)
}

/// The ranked rows that are there.
fn found(ranked: &[u64]) -> &[u64] {
    &ranked[..ranked.partition_point(|row| *row != NONE)]
}

/// The key of the last row, if the list has no room for more.
fn last_of_full(list: &[u64], found: &[u64]) -> Option<f32> {
    let last = found.last().filter(|_| found.len() == list.len())?;
    let ordered = u32::try_from(last >> 32).unwrap_or(u32::MAX);
    let bits = if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered };
    Some(f32::from_bits(bits))
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is the row")]
fn rows(found: &[u64]) -> Vec<u32> {
    found.iter().map(|ranked| *ranked as u32).collect()
}
