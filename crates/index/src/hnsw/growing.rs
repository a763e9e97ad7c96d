//! A graph that rows are inserted into while it is searched.
//!
//! The rows lie with the caller, who says where. Writers link as the builder
//! does; readers take no lock and see each vertex as soon as the first link to it
//! is there.
//!
//! Every vertex keeps the link through which it was first reached: these links
//! are a tree that grows from row 0, so every row inserted is reachable at any
//! moment, and if rows are inserted in order, through rows below it only.
//!
//! A row that is equal to a vertex found on its way in becomes a copy of it:
//! copies are chained behind their vertex and have no links.

use super::build::{lay_out, level};
use super::layers::LAYERS_MAX;
use super::linker::{LinkScratch, OpenLayer, zeroed};
use super::rows::{Rows, rows_ahead};
use super::search::{POOL_MAX, walk_pays};
use super::walk::{Ended, Walk};
use super::{HnswParams, HnswScratch, check};
use crate::neighbors::Ranked;
use crate::range::widen;
use crate::{Found, IndexError, Scratch, Search, TopK, Work};
use parking_lot::Mutex;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};
use vicinal_distance::{Comparer, kernels};
use vicinal_types::{Bitmap, Cancel, HnswCodes, Stopped, VectorType};

/// Rows compared between two looks at the clock.
const SCANNED_PER_CHECK: u32 = 512;

/// An HNSW graph of a growing segment.
///
/// It compares the rows themselves, whatever codes its parameters name: there is
/// nothing to learn codes from before there are rows.
#[derive(Debug)]
pub struct GrowingHnsw {
    params: HnswParams,
    comparer: Comparer,
    /// Ground first; laid out for all rows there is room for.
    layers: Vec<OpenLayer>,
    /// By level, one above the first row inserted whose level is higher than all
    /// before it.
    entries: [AtomicU32; LAYERS_MAX + 1],
    /// Held while a row is inserted that will be an entry.
    entering: Mutex<()>,
    /// One above the copy behind a vertex or a copy.
    copies: Box<[AtomicU32]>,
    /// Held while a copy is chained.
    chaining: Mutex<()>,
    /// 1 for every row inserted.
    done: Box<[AtomicU32]>,
    /// Rows from 0 on that are all inserted.
    inserted: AtomicU32,
    /// Memory of writers that are not at work.
    spare: Mutex<Vec<LinkScratch>>,
}

/// The caller's rows up to a bound.
struct CallersRows<'a, 'v, F> {
    row: &'a F,
    comparer: &'a Comparer,
    visible: u32,
    ahead: usize,
    bytes: PhantomData<&'v [u8]>,
}

/// A search whose numbers are settled.
#[derive(Clone, Copy)]
struct Task<'a> {
    query: &'a [u8],
    search: Search<'a>,
    /// Rows that may be found.
    passing: usize,
    cancel: &'a Cancel,
}

impl<'v, F: Fn(u32) -> &'v [u8]> Rows for CallersRows<'_, 'v, F> {
    type Query = [u8];

    #[inline]
    fn bytes(&self, row: u32) -> &[u8] {
        (self.row)(row)
    }

    #[inline]
    fn key(&self, query: &[u8], row: u32) -> f32 {
        self.comparer.key(query, (self.row)(row))
    }

    #[inline]
    fn ahead(&self) -> usize {
        self.ahead
    }

    #[inline]
    fn has(&self, row: u32) -> bool {
        row < self.visible
    }
}

impl GrowingHnsw {
    /// An empty graph with room for `capacity` rows.
    ///
    /// Only what rows were inserted takes memory, on systems that give fresh
    /// memory out when it is first written.
    ///
    /// # Errors
    /// [`IndexError`] for a parameter out of its bounds.
    pub fn new(params: HnswParams, vector: VectorType, capacity: u32) -> Result<Self, IndexError> {
        let params = HnswParams { codes: HnswCodes::None, ..params };
        check(params, vector)?;
        let mut levels: Vec<(u32, u32)> = (0..capacity)
            .map(|row| (level(params, row), row))
            .filter(|&(level, _)| level > 0)
            .collect();
        levels.sort_unstable_by_key(|&(level, row)| (std::cmp::Reverse(level), row));
        let mut layers = lay_out(params, capacity, &levels);
        layers[0].keep_reachable();
        Ok(Self {
            params,
            comparer: Comparer::new(vector, kernels()),
            layers,
            entries: std::array::from_fn(|_| AtomicU32::new(0)),
            entering: Mutex::new(()),
            copies: zeroed(capacity as usize),
            chaining: Mutex::new(()),
            done: zeroed(capacity as usize),
            inserted: AtomicU32::new(0),
            spare: Mutex::default(),
        })
    }

    /// Rows that it has room for.
    pub fn capacity(&self) -> u32 {
        u32::try_from(self.copies.len()).unwrap_or(u32::MAX)
    }

    /// Rows from 0 on that are all inserted: searches may see these.
    pub fn inserted(&self) -> u32 {
        self.inserted.load(Ordering::Acquire)
    }

    /// Bytes set aside for all rows that there is room for.
    pub fn bytes(&self) -> usize {
        let layers: usize = self.layers.iter().map(OpenLayer::bytes).sum();
        layers + (self.copies.len() + self.done.len()) * size_of::<u32>()
    }

    /// The parameters it was made with, without codes.
    pub fn params(&self) -> HnswParams {
        self.params
    }

    /// Inserts a row, once. Any threads may insert different rows at a time, after
    /// row 0 was inserted; `row` gives the stored bytes of every row that was or is
    /// being inserted.
    ///
    /// # Panics
    /// If there is no room for the row, it was inserted before, or another was
    /// inserted before row 0.
    pub fn insert<'v>(&self, row: impl Fn(u32) -> &'v [u8], new: u32) {
        let capacity = self.capacity();
        assert!(new < capacity, "row {new} is beyond the {capacity} there is room for");
        let is_new = self.done[new as usize].load(Ordering::Relaxed) == 0;
        assert!(is_new, "row {new} was inserted before");
        let mut scratch = self.spare.lock().pop().unwrap_or_default();
        let rows = self.rows(&row, u32::MAX);
        let level = level(self.params, new) as usize;
        let entry = self.entry(u32::MAX);
        match entry {
            Some((top, _)) if level <= top => {
                self.link_new(&rows, new, level, entry, &mut scratch);
            }
            Some(_) | None => {
                let _guard = self.entering.lock();
                let entry = self.entry(u32::MAX);
                assert!(entry.is_some() || new == 0, "row 0 is inserted before row {new}");
                let is_vertex = self.link_new(&rows, new, level, entry, &mut scratch);
                if is_vertex && entry.is_none_or(|(top, _)| level > top) {
                    self.entries[level].store(new + 1, Ordering::Release);
                }
            }
        }
        self.spare.lock().push(scratch);
        self.count(new);
    }

    /// Finds the nearest of the rows below `visible`, all of which are inserted:
    /// at most [`inserted`](Self::inserted) as read before, so that the caller
    /// can compare with the others itself. A mask may range over more rows.
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
        widen(search, scratch, |search, scratch| {
            self.search_visible(&row, visible, query, search, scratch, cancel)
        })
    }

    fn search_visible<'v>(
        &self,
        row: &impl Fn(u32) -> &'v [u8],
        visible: u32,
        query: &[u8],
        search: &Search<'_>,
        scratch: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        let rows = self.rows(row, visible);
        let passing = search.allowed.map_or(visible as usize, |mask| count_below(mask, visible));
        let allowed = search.allowed.filter(|_| passing < visible as usize);
        let k = search.k.min(passing);
        let search = Search { k, effort: search.effort.max(k), allowed, ..*search };
        let mut work = Work::default();
        if k == 0 {
            return Ok(Found { neighbors: Vec::new(), work });
        }
        let task = Task { query, search, passing, cancel };
        let is_walked = walk_pays(&search, visible, passing);
        let ended = if is_walked {
            self.walk(&rows, &task, scratch, &mut work)?
        } else {
            Ended::OverBudget
        };
        let is_found = match ended {
            Ended::Converged => self.with_copies(&rows, &search, &mut scratch.hnsw),
            Ended::Beaten => {
                self.with_copies(&rows, &search, &mut scratch.hnsw);
                true
            }
            Ended::OverBudget => false,
        };
        let HnswScratch { ranked, top, .. } = &mut scratch.hnsw;
        if !is_found {
            top.reset(k);
            scan(&rows, &task, top, &mut work)?;
            top.drain_sorted(ranked);
        }
        let mut neighbors = scratch.pools.results(ranked.len());
        neighbors.extend(ranked.iter().map(|found| found.neighbor()));
        // A walk has said what it found, even if it came to no end.
        if !is_walked && search.competes {
            scratch.add_rivals(&neighbors);
        }
        Ok(Found { neighbors, work })
    }

    fn rows<'a, 'v, F: Fn(u32) -> &'v [u8]>(
        &'a self,
        row: &'a F,
        visible: u32,
    ) -> CallersRows<'a, 'v, F> {
        let ahead = rows_ahead(self.comparer.vector_type().row_bytes());
        CallersRows { row, comparer: &self.comparer, visible, ahead, bytes: PhantomData }
    }

    /// The highest level of rows below `visible`, and the slot there to begin at.
    fn entry(&self, visible: u32) -> Option<(usize, u32)> {
        let row = |at: usize| self.entries[at].load(Ordering::Acquire).checked_sub(1);
        let entry = |at: usize| row(at).filter(|&row| row < visible).map(|row| (at, row));
        let (top, row) = (0..self.layers.len()).rev().find_map(entry)?;
        Some((top, self.layers[top].slot(row)))
    }

    /// Finds a row's neighbours on all its layers, then links it, ground first,
    /// or chains it as a copy; says whether it became a vertex.
    fn link_new<R: Rows<Query = [u8]>>(
        &self,
        rows: &R,
        new: u32,
        level: usize,
        entry: Option<(usize, u32)>,
        scratch: &mut LinkScratch,
    ) -> bool {
        let Some((top, entry)) = entry else { return true };
        let (query, cancel) = (rows.bytes(new), Cancel::never());
        let walk = Walk {
            rows,
            query,
            effort: self.params.ef_construction as usize,
            ahead: rows.ahead(),
            cancel: &cancel,
        };
        scratch.selected.resize_with(self.layers.len(), Vec::new);
        scratch.selected.iter_mut().for_each(Vec::clear);
        let (mut nearest, mut entry) = (entry, entry);
        for (layer, open) in self.layers[..=top].iter().enumerate().rev() {
            if layer > level {
                nearest = walk.greedy(&open.view(), nearest, &mut scratch.work);
            } else {
                let seeds = [nearest, if layer == 0 { 0 } else { entry }];
                open.candidates(&walk, new, &seeds, (layer, self.params.m as usize), scratch)
                    .expect("nobody cancels an insertion");
                nearest = scratch.walk.found().next().map_or(nearest, Ranked::id);
            }
            if layer > 0 {
                (nearest, entry) = (open.below[nearest as usize], open.below[entry as usize]);
            }
        }
        let equal = scratch.walk.found().map(Ranked::id).find(|&other| rows.bytes(other) == query);
        match equal {
            Some(vertex) => self.chain(vertex, new),
            None => (0..=level.min(top)).for_each(|layer| self.link(rows, layer, new, scratch)),
        }
        equal.is_none()
    }

    /// Links a vertex to those selected, and them to it; on the ground at least
    /// one of them.
    fn link<R: Rows<Query = [u8]>>(
        &self,
        rows: &R,
        layer: usize,
        new: u32,
        scratch: &mut LinkScratch,
    ) {
        let open = &self.layers[layer];
        let vertex = open.slot(new);
        let selected = std::mem::take(&mut scratch.selected[layer]);
        open.link(vertex, &selected);
        for neighbor in &selected {
            let link = Ranked::new(neighbor.key(), vertex);
            open.link_back(rows, neighbor.id(), link, scratch);
        }
        scratch.selected[layer] = selected;
        if open.is_orphan(vertex) {
            // All of them are full of links that must stay: any row with place.
            let links = |from: &u32| {
                let key = rows.key(rows.bytes(*from), new);
                open.link_back(rows, *from, Ranked::new(key, vertex), scratch);
                !open.is_orphan(vertex)
            };
            let linked = (0..self.capacity()).filter(|&row| !open.is_orphan(row)).find(links);
            assert!(linked.is_some(), "a tree has fewer links than places");
        }
    }

    /// Puts a copy between a vertex and the copies that it has.
    fn chain(&self, vertex: u32, copy: u32) {
        let _guard = self.chaining.lock();
        let next = self.copies[vertex as usize].load(Ordering::Relaxed);
        self.copies[copy as usize].store(next, Ordering::Relaxed);
        self.copies[vertex as usize].store(copy + 1, Ordering::Release);
    }

    /// The copies of a vertex.
    fn chained(&self, vertex: u32) -> impl Iterator<Item = u32> {
        let next = |row: &u32| self.copies[*row as usize].load(Ordering::Acquire).checked_sub(1);
        std::iter::successors(next(&vertex), next)
    }

    /// Notes a row as inserted, and how many from 0 on are.
    fn count(&self, new: u32) {
        self.done[new as usize].store(1, Ordering::SeqCst);
        loop {
            let inserted = self.inserted.load(Ordering::SeqCst);
            let is_done = |row: &AtomicU32| row.load(Ordering::SeqCst) == 1;
            if !self.done.get(inserted as usize).is_some_and(is_done) {
                return;
            }
            // Whoever comes second finds it counted already and looks again.
            _ = self.inserted.compare_exchange(
                inserted,
                inserted + 1,
                Ordering::SeqCst,
                Ordering::SeqCst,
            );
        }
    }

    /// Walks down and through the ground, as long as that is less work than a
    /// scan.
    fn walk<'v, F: Fn(u32) -> &'v [u8]>(
        &self,
        rows: &CallersRows<'_, 'v, F>,
        task: &Task<'_>,
        Scratch { hnsw: HnswScratch { walk: scratch, .. }, rivals, .. }: &mut Scratch,
        work: &mut Work,
    ) -> Result<Ended, Stopped> {
        let Task { query, search, passing, cancel } = *task;
        let visible = rows.visible;
        let Some((top, mut nearest)) = self.entry(visible) else { return Ok(Ended::OverBudget) };
        let walk = Walk { rows, query, effort: search.effort, ahead: rows.ahead, cancel };
        for open in self.layers[1..=top].iter().rev() {
            nearest = open.below[walk.greedy(&open.view(), nearest, work) as usize];
        }
        let seeds = if nearest == 0 { &[0][..] } else { &[nearest, 0] };
        scratch.begin(visible);
        let ground = self.layers[0].view();
        if search.competes {
            scratch.compete(rivals, search.effort, visible);
        }
        let ended = match search.allowed {
            None if search.effort <= POOL_MAX => walk.beam(&ground, seeds, scratch, work),
            None => walk.heaps(&ground, seeds, |_| true, u64::MAX, scratch, work),
            Some(allowed) => {
                let passes = |row| {
                    let mut copies = self.chained(row).filter(|&copy| copy < visible);
                    allowed.contains(row) || copies.any(|copy| allowed.contains(copy))
                };
                walk.heaps(&ground, seeds, passes, passing as u64, scratch, work)
            }
        };
        scratch.end_competition(rivals);
        ended
    }

    /// The nearest `k` allowed rows of the vertices found; says whether there are
    /// as many.
    fn with_copies<R: Rows>(
        &self,
        rows: &R,
        search: &Search<'_>,
        scratch: &mut HnswScratch,
    ) -> bool {
        let HnswScratch { walk, ranked, top, .. } = scratch;
        let passes = |row: &u32| {
            rows.has(*row) && search.allowed.is_none_or(|allowed| allowed.contains(*row))
        };
        top.reset(search.k);
        for vertex in walk.found() {
            let all = std::iter::once(vertex.id()).chain(self.chained(vertex.id()));
            all.filter(passes).for_each(|row| top.push(vertex.key(), row));
            if top.worst_of_full().is_some_and(|worst| worst.key() < vertex.key()) {
                break;
            }
        }
        top.drain_sorted(ranked);
        ranked.len() == search.k
    }
}

/// Compares with every allowed row that is visible.
fn scan<'v, F: Fn(u32) -> &'v [u8]>(
    rows: &CallersRows<'_, 'v, F>,
    task: &Task<'_>,
    top: &mut TopK,
    work: &mut Work,
) -> Result<(), Stopped> {
    for row in 0..rows.visible {
        if row % SCANNED_PER_CHECK == 0 {
            task.cancel.check()?;
        }
        if task.search.allowed.is_none_or(|allowed| allowed.contains(row)) {
            top.push(rows.key(task.query, row), row);
            work.distances += 1;
        }
    }
    Ok(())
}

/// How many rows below `visible` a mask allows.
fn count_below(mask: &Bitmap, visible: u32) -> usize {
    let end = visible as usize;
    assert!(mask.len() >= end, "the mask has {} rows of {end}", mask.len());
    let (whole, rest) = (&mask.words()[..end / 64], mask.words().get(end / 64));
    let rest = rest.map_or(0, |word| (word & ((1 << (end % 64)) - 1)).count_ones());
    whole.iter().map(|word| word.count_ones() as usize).sum::<usize>() + rest as usize
}
