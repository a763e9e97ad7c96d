//! A graph of records that rows are inserted into while it is searched.
//!
//! Records are those of a graph that was built ([`Graph`](super::Graph)), and so is the walk.
//! The rows lie with the caller, who says where; the number of a row is that of its vertex.
//! One thread at a time inserts; those that search wait for nobody, see each vertex with the
//! first link to it, and no record that is half written.
//!
//! What must be known before there are rows is taken from the first of them: the origin of
//! estimates, and how vectors stand in records.
//!
//! Every vertex keeps the link through which it was first reached: these links are a tree
//! that grows from row 0, so every row inserted is reachable at any moment. A row that is
//! equal to a vertex found on its way in becomes a copy of it: copies are chained behind
//! their vertex and have no record.

mod frame;
mod insert;
mod slots;

use super::records::LANES;
use super::walk::{GraphScratch, Reach, Walk};
use super::{HOPELESS, OPEN_MAX, OPEN_MIN, RERANKED_PART, check, landmarks, stored};
use crate::hnsw::zeroed;
use crate::neighbors::Ranked;
use crate::range::widen;
use crate::rivals::Rivals;
use crate::scratch::Pools;
use crate::{Found, IndexError, Neighbor, Scratch, Search, Vectors, Work};
use frame::Frame;
use insert::Inserter;
use parking_lot::Mutex;
use slots::{Reading, Slots};
use std::sync::atomic::{AtomicU32, Ordering};
use vicinal_distance::{kernels, prefetch_far};
use vicinal_types::{Bitmap, Cancel, ElementType, GraphParams, Stopped};

/// Blocks of landmarks at most.
const LANDMARK_BLOCKS: usize = landmarks::COUNT_MAX / LANES;

/// Rows compared between two looks at the clock.
const SCANNED_PER_CHECK: u32 = 512;

/// Rows compared one by one that cost as much as what a walk does for one result among rows
/// that all pass, and as a vertex expanded.
const SCANNED_PER_CANDIDATE: u64 = 12;
const SCANNED_PER_VERTEX: u64 = 4;

/// A graph of records over a growing segment.
#[derive(Debug)]
pub struct GrowingRecords {
    params: GraphParams,
    frame: Frame,
    /// The record of every row, then blocks of landmarks.
    slots: Slots,
    /// One above the copy behind a vertex or a copy.
    copies: Box<[AtomicU32]>,
    /// Rows from 0 on that are all inserted.
    inserted: AtomicU32,
    /// Bytes that rows inserted so far take.
    bytes: AtomicU32,
    /// Held while a row is inserted.
    inserter: Mutex<Inserter>,
}

/// A search whose numbers are settled.
struct Task<'a, F> {
    row: &'a F,
    visible: u32,
    /// Rows that may be found.
    passing: usize,
    query: &'a [u8],
    search: Search<'a>,
    cancel: &'a Cancel,
}

impl<'v, F: Fn(u32) -> &'v [u8]> Task<'_, F> {
    fn passes(&self, row: u32) -> bool {
        row < self.visible && self.search.allowed.is_none_or(|allowed| allowed.contains(row))
    }
}

impl GrowingRecords {
    /// An empty graph with room for `capacity` rows like those of `sample`, some of the first
    /// that will be inserted. Only what rows were inserted takes memory.
    ///
    /// # Errors
    /// [`IndexError`] for a parameter out of its bounds, or binary vectors.
    pub fn new(params: GraphParams, sample: &Vectors, capacity: u32) -> Result<Self, IndexError> {
        check(params)?;
        if sample.vector_type().element() == ElementType::Binary {
            return Err(IndexError::BinaryLists);
        }
        let frame = Frame::new(params, sample);
        let places = capacity as usize + LANDMARK_BLOCKS;
        Ok(Self {
            params,
            slots: Slots::new(frame.layout.bytes, places),
            frame,
            copies: zeroed(capacity as usize),
            inserted: AtomicU32::new(0),
            bytes: AtomicU32::new(0),
            inserter: Mutex::default(),
        })
    }

    /// The parameters it was made with.
    pub fn params(&self) -> GraphParams {
        self.params
    }

    /// Rows that it has room for.
    pub fn capacity(&self) -> u32 {
        u32::try_from(self.copies.len()).unwrap_or(u32::MAX)
    }

    /// Rows from 0 on that are all inserted: searches may see these.
    pub fn inserted(&self) -> u32 {
        self.inserted.load(Ordering::Acquire)
    }

    /// Bytes that the rows inserted so far take, rounded up to whole pages.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed) as usize * insert::PAGE_BYTES
    }

    /// Inserts the next row; `row` gives the stored bytes of every row up to it.
    ///
    /// # Errors
    /// [`IndexError::NoMemory`] if the system has none; the row is not inserted then.
    ///
    /// # Panics
    /// If there is no room for another row.
    pub fn insert_next<'v>(&self, row: impl Fn(u32) -> &'v [u8]) -> Result<(), IndexError> {
        let mut inserter = self.inserter.lock();
        let new = self.inserted.load(Ordering::Relaxed);
        let capacity = self.capacity();
        assert!(new < capacity, "row {new} is beyond the {capacity} there is room for");
        inserter.insert(self, &row, new)?;
        let pages = inserter.bytes(self).div_ceil(insert::PAGE_BYTES);
        self.bytes.store(u32::try_from(pages).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.inserted.store(new + 1, Ordering::Release);
        Ok(())
    }

    /// Finds the nearest of the rows below `visible`, all of which are inserted: at most
    /// [`inserted`](Self::inserted) as read before, so that the caller can compare with the
    /// others itself. A mask may range over more rows.
    ///
    /// # Errors
    /// [`Stopped`] when `cancel` says so.
    ///
    /// # Panics
    /// If `query` is not one stored vector, or the mask ends before `visible`.
    pub fn search<'v>(
        &self,
        row: impl Fn(u32) -> &'v [u8],
        visible: u32,
        query: &[u8],
        search: &Search<'_>,
        scratch: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        assert!(visible <= self.inserted(), "a search sees rows that were inserted");
        let row = &row;
        widen(search, scratch, |search, scratch| {
            let end = visible as usize;
            let passing = search.allowed.map_or(end, |mask| count_below(mask, end));
            let allowed = search.allowed.filter(|_| passing < end);
            let k = search.k.min(passing);
            let search = Search { k, effort: search.effort.max(k), allowed, ..*search };
            let task = Task { row, visible, passing, query, search, cancel };
            self.search_visible(&task, scratch)
        })
    }

    fn search_visible<'v, F: Fn(u32) -> &'v [u8]>(
        &self,
        task: &Task<'_, F>,
        scratch: &mut Scratch,
    ) -> Result<Found, Stopped> {
        let mut work = Work::default();
        if task.search.k == 0 {
            return Ok(Found { neighbors: Vec::new(), work });
        }
        if walk_pays(task) {
            let found = self.walked(task, scratch, &mut work)?;
            if let Some(neighbors) = found {
                return Ok(Found { neighbors, work });
            }
            self.scan(task, &mut scratch.pools, &mut work)?;
            return Ok(Found { neighbors: scratch.pools.take_top(), work });
        }
        self.scan(task, &mut scratch.pools, &mut work)?;
        let neighbors = scratch.pools.take_top();
        // A walk has said what it found, even if it came to no end.
        if task.search.competes {
            scratch.add_rivals(&neighbors);
        }
        Ok(Found { neighbors, work })
    }

    /// The nearest rows by a walk, unless it gives up or finds too few.
    fn walked<'v, F: Fn(u32) -> &'v [u8]>(
        &self,
        task: &Task<'_, F>,
        Scratch { graph: scratch, pools, rivals, .. }: &mut Scratch,
        work: &mut Work,
    ) -> Result<Option<Vec<Neighbor>>, Stopped> {
        let Task { search, passing, .. } = task;
        let vertices = self.inserted();
        let passes = |vertex: u32| self.any_passes(vertex, task);
        let is_masked = search.allowed.is_some() || task.visible < vertices;
        let rarity = (vertices as usize).div_ceil(*passing);
        let open_max = search.effort.saturating_mul(2 * rarity).clamp(OPEN_MIN, OPEN_MAX);
        let reach = Reach {
            effort: search.effort,
            wanted: search.k,
            open_max: is_masked.then_some(open_max),
            without: None,
            passes: is_masked.then_some(&passes as &dyn Fn(u32) -> bool),
            expanded_max: match search.allowed {
                Some(_) => *passing as u64 / SCANNED_PER_VERTEX,
                None => u64::MAX,
            },
            expanded_per_result_max: (HOPELESS * rarity) as u64,
            cancel: task.cancel,
        };
        let rivals = search.competes.then_some(rivals);
        let reading = self.slots.read();
        self.walk(&reading, vertices, task.query, (reach, rivals), scratch, work)?;
        drop(reading);
        if scratch.has_given_up {
            return Ok(None);
        }
        self.nearest(task, (scratch, pools), work);
        if pools.top.len() == search.k || scratch.is_beaten {
            return Ok(Some(pools.take_top()));
        }
        Ok(None)
    }

    /// Leaves vertices below `vertices` that are near a query in the scratch, with their keys.
    fn walk(
        &self,
        reading: &Reading<'_>,
        vertices: u32,
        query: &[u8],
        (reach, mut rivals): (Reach<'_>, Option<&mut Rivals>),
        scratch: &mut GraphScratch,
        work: &mut Work,
    ) -> Result<(), Stopped> {
        let (kernels, frame) = (kernels(), &self.frame);
        scratch.begin(vertices as usize, &reach);
        if let Some(rivals) = &mut rivals {
            scratch.compete(rivals, vertices);
        }
        scratch.query.prepare(frame.kind, query, &frame.mean, &frame.rotation);
        scratch.stored.resize(frame.stored.row_bytes(), 0);
        stored::convert(frame.kind, query, frame.stored, &mut scratch.stored);
        let blocks = (self.capacity()..).take(LANDMARK_BLOCKS);
        let blocks = blocks
            .map_while(|place| reading.get(place))
            .map(|block| frame.landmarks.block(block, 0));
        let base = frame.mean_key(&scratch.query);
        let near = landmarks::nearest(blocks, kernels, &scratch.query, base);
        // Everything can be reached from the root: where it is far, others take its place.
        for (key, vertex) in near.into_iter().chain([(f32::MAX, 0)]) {
            if key < f32::INFINITY && vertex < vertices {
                scratch.offer(kernels, key, vertex);
            }
        }
        let walk = Walk {
            kernels,
            comparer: &frame.comparer,
            layout: &frame.layout,
            records: reading,
            bytes_ahead: frame.layout.bytes_ahead(),
            vertices: vertices as usize,
            reach,
        };
        let ended = walk.run(scratch, work);
        if let Some(rivals) = rivals {
            scratch.end_competition(rivals);
        }
        ended
    }

    /// Collects the nearest `k` rows of the vertices found that pass.
    fn nearest<'v, F: Fn(u32) -> &'v [u8]>(
        &self,
        task: &Task<'_, F>,
        (scratch, pools): (&mut GraphScratch, &mut Pools),
        work: &mut Work,
    ) {
        let (Task { row, query, search, .. }, found) = (task, &mut scratch.found);
        found.retain(|found| self.any_passes(found.id(), task));
        let is_exact = self.frame.stored == self.frame.kind;
        let keep = if is_exact { search.k } else { search.k + search.k.div_ceil(RERANKED_PART) };
        if found.len() > keep {
            found.select_nth_unstable(keep);
            found.truncate(keep);
        }
        if !is_exact {
            found.iter().for_each(|found| prefetch_far(row(found.id())));
            for found in found.iter_mut() {
                *found = Ranked::new(self.frame.rows.key(query, row(found.id())), found.id());
            }
            work.distances += found.len() as u64;
        }
        pools.top.reset(search.k);
        for found in found.iter() {
            let all = std::iter::once(found.id()).chain(self.chained(found.id()));
            all.filter(|&row| task.passes(row)).for_each(|row| pools.top.push(found.key(), row));
        }
    }

    /// Compares with every row that passes.
    fn scan<'v, F: Fn(u32) -> &'v [u8]>(
        &self,
        task: &Task<'_, F>,
        pools: &mut Pools,
        work: &mut Work,
    ) -> Result<(), Stopped> {
        pools.top.reset(task.search.k);
        for row in 0..task.visible {
            if row % SCANNED_PER_CHECK == 0 {
                task.cancel.check()?;
            }
            if task.passes(row) {
                pools.top.push(self.frame.rows.key(task.query, (task.row)(row)), row);
                work.distances += 1;
            }
        }
        Ok(())
    }

    /// Whether a row or a copy of it passes.
    fn any_passes<'v, F: Fn(u32) -> &'v [u8]>(&self, vertex: u32, task: &Task<'_, F>) -> bool {
        task.passes(vertex) || self.chained(vertex).any(|copy| task.passes(copy))
    }

    /// The copies of a vertex.
    fn chained(&self, vertex: u32) -> impl Iterator<Item = u32> {
        let next = |row: &u32| self.copies[*row as usize].load(Ordering::Acquire).checked_sub(1);
        std::iter::successors(next(&vertex), next)
    }

    /// Puts a copy between a vertex and the copies that it has; one caller at a time.
    fn chain(&self, vertex: u32, copy: u32) {
        let next = self.copies[vertex as usize].load(Ordering::Relaxed);
        self.copies[copy as usize].store(next, Ordering::Relaxed);
        self.copies[vertex as usize].store(copy + 1, Ordering::Release);
    }
}

/// Whether the graph is likely to be cheaper than comparing with every row that passes.
fn walk_pays<F>(task: &Task<'_, F>) -> bool {
    let Task { visible, passing, search, .. } = task;
    let walked = search.effort as u64 * u64::from(*visible) / (*passing as u64).max(1);
    match search.allowed {
        None => search.effort < *visible as usize,
        Some(_) => walked.saturating_mul(SCANNED_PER_CANDIDATE) < *passing as u64,
    }
}

/// How many rows below `end` a mask allows.
fn count_below(mask: &Bitmap, end: usize) -> usize {
    assert!(mask.len() >= end, "the mask has {} rows of {end}", mask.len());
    let (whole, rest) = (&mask.words()[..end / 64], mask.words().get(end / 64));
    let rest = rest.map_or(0, |word| (word & ((1 << (end % 64)) - 1)).count_ones());
    whole.iter().map(|word| word.count_ones() as usize).sum::<usize>() + rest as usize
}

#[cfg(test)]
mod tests;
