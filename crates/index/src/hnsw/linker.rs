//! Layers under construction: searching them, selecting, linking.
//!
//! Links are atomic words, so that readers need no lock: whoever reads a list
//! while it is rewritten sees a mixture of old and new links, all of them
//! vertices, or a shorter list. Writers of one list exclude each other.

use super::layers::{Layer, Links, NONE};
use super::rows::Rows;
use super::select::select;
use super::walk::{Walk, WalkScratch};
use crate::Work;
use crate::neighbors::Ranked;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use vicinal_distance::prefetch;
use vicinal_types::Stopped;
use zerocopy::FromZeros;

/// A layer under construction.
#[derive(Debug)]
pub(crate) struct OpenLayer {
    pub(crate) degree: usize,
    /// The row of every slot, above the ground.
    pub(crate) vertices: Option<Vec<u32>>,
    /// The slot below of every slot, above the ground.
    pub(crate) below: Vec<u32>,
    /// One above the vertex linked to, so that fresh memory is no links: what
    /// was never written takes no memory.
    links: Box<[AtomicU32]>,
    /// One above the vertex through whose link each was first reached; such
    /// links stay, so that every vertex can always be reached. Empty if that is
    /// seen to at the end.
    parents: Box<[AtomicU32]>,
    /// One for each vertex's list of links: held while it is rewritten, never
    /// together with another.
    locks: Vec<Mutex<()>>,
}

/// Memory of a building thread.
#[derive(Debug, Default)]
pub(crate) struct LinkScratch {
    pub(crate) walk: WalkScratch,
    /// The links chosen, by layer.
    pub(crate) selected: Vec<Vec<Ranked>>,
    pub(crate) work: Work,
    candidates: Vec<Ranked>,
    kept: Vec<Ranked>,
}

impl OpenLayer {
    pub(crate) fn new(
        vertices: Option<Vec<u32>>,
        below: Vec<u32>,
        count: usize,
        degree: usize,
    ) -> Self {
        let locks = std::iter::repeat_with(|| Mutex::new(())).take(count).collect();
        let (links, parents) = (zeroed(count * degree), zeroed(0));
        Self { degree, vertices, below, links, parents, locks }
    }

    /// From here on every vertex linked to stays reachable from vertex 0.
    pub(crate) fn keep_reachable(&mut self) {
        self.parents = zeroed(self.count());
        if let Some(root) = self.parents.first() {
            root.store(1, Ordering::Relaxed);
        }
    }

    /// Whether no link leads to a vertex of a layer that keeps all reachable.
    pub(crate) fn is_orphan(&self, vertex: u32) -> bool {
        self.parents.get(vertex as usize).is_some_and(|parent| parent.load(Ordering::Relaxed) == 0)
    }

    /// How many vertices it has room for.
    pub(crate) fn count(&self) -> usize {
        self.locks.len()
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let words = self.vertices.as_ref().map_or(0, Vec::len) + self.below.len();
        let words = words + self.links.len() + self.parents.len();
        words * size_of::<u32>() + size_of_val(self.locks.as_slice())
    }

    pub(crate) fn view(&self) -> Layer<'_, AtomicU32, impl Fn(&AtomicU32) -> u32> {
        Layer::new(&self.links, self.degree, self.vertices.as_deref(), |link: &AtomicU32| {
            link.load(Ordering::Relaxed).wrapping_sub(1)
        })
    }

    /// The slot of a row that is on this layer.
    pub(crate) fn slot(&self, row: u32) -> u32 {
        match &self.vertices {
            None => row,
            Some(vertices) => slot_of(vertices, row),
        }
    }

    /// Searches for a row and selects whom to link it to, in `selected[layer]`.
    pub(crate) fn candidates<R: Rows<Query = [u8]>>(
        &self,
        walk: &Walk<'_, R>,
        row: u32,
        seeds: &[u32],
        (layer, limit): (usize, usize),
        scratch: &mut LinkScratch,
    ) -> Result<(), Stopped> {
        let view = self.view();
        #[expect(clippy::cast_possible_truncation, reason = "a segment's rows fit 32 bits")]
        scratch.walk.begin(self.count() as u32);
        scratch.walk.skip(self.slot(row));
        walk.beam(&view, seeds, &mut scratch.walk, &mut scratch.work)?;
        let kept = &mut scratch.selected[layer];
        select(walk.rows, |vertex| view.row(vertex), scratch.walk.found(), limit, kept);
        Ok(())
    }

    /// Links a vertex to those selected.
    pub(crate) fn link(&self, vertex: u32, selected: &[Ranked]) {
        let _guard = self.locks[vertex as usize].lock();
        self.write(vertex, selected.iter().map(|neighbor| neighbor.id()));
    }

    /// Adds a link to `vertex`; selects anew when its list is full.
    pub(crate) fn link_back<R: Rows<Query = [u8]>>(
        &self,
        rows: &R,
        vertex: u32,
        link: Ranked,
        scratch: &mut LinkScratch,
    ) {
        let _guard = self.locks[vertex as usize].lock();
        let view = self.view();
        let LinkScratch { candidates, kept, .. } = scratch;
        let count = view.neighbors(vertex).count();
        if view.neighbors(vertex).any(|other| other == link.id()) {
            return;
        }
        if let Some(free) = self.record(vertex).get(count) {
            self.adopt(vertex, link.id());
            free.store(link.id() + 1, Ordering::Relaxed);
            return;
        }
        view.neighbors(vertex).for_each(|other| prefetch(rows.bytes(view.row(other))));
        let bytes = rows.bytes(view.row(vertex));
        candidates.clear();
        candidates.push(link);
        let others = view.neighbors(vertex);
        candidates.extend(others.map(|other| Ranked::new(rows.key(bytes, view.row(other)), other)));
        candidates.sort_unstable();
        let sorted = candidates.iter().copied();
        select(rows, |vertex| view.row(vertex), sorted, self.degree, kept);
        if !self.parents.is_empty() {
            self.keep_children(vertex, link, candidates, kept);
        }
        self.write(vertex, kept.iter().map(|kept| kept.id()));
    }

    /// Adds to the links kept the candidates that are only reached through
    /// them, in place of the last that are not; so also the new link, if nothing
    /// leads to it and there is place.
    fn keep_children(
        &self,
        vertex: u32,
        link: Ranked,
        candidates: &[Ranked],
        kept: &mut Vec<Ranked>,
    ) {
        let is_child =
            |other: u32| self.parents[other as usize].load(Ordering::Relaxed) == vertex + 1;
        let children = candidates.iter().filter(|other| is_child(other.id())).count();
        if children < self.degree && self.is_orphan(link.id()) {
            self.adopt(vertex, link.id());
        }
        for child in candidates.iter().filter(|other| is_child(other.id())) {
            if kept.contains(child) {
                continue;
            }
            if kept.len() == self.degree
                && let Some(last) = kept.iter().rposition(|other| !is_child(other.id()))
            {
                kept.remove(last);
            }
            kept.push(*child);
        }
        debug_assert!(kept.len() <= self.degree, "there are at most as many children");
    }

    /// Notes that a vertex is reached through another, if it was through none.
    fn adopt(&self, vertex: u32, child: u32) {
        if self.is_orphan(child) {
            self.parents[child as usize].store(vertex + 1, Ordering::Relaxed);
        }
    }

    /// The links, by vertex, [`NONE`] where there is none.
    pub(crate) fn links(&self) -> impl Iterator<Item = u32> {
        self.links.iter().map(|link| link.load(Ordering::Relaxed).wrapping_sub(1))
    }

    fn record(&self, vertex: u32) -> &[AtomicU32] {
        let start = vertex as usize * self.degree;
        &self.links[start..start + self.degree]
    }

    /// Replaces the links of a vertex; its lock is held.
    fn write(&self, vertex: u32, links: impl Iterator<Item = u32>) {
        let words = links.map(|link| link + 1).chain(std::iter::repeat(NONE.wrapping_add(1)));
        for (place, word) in self.record(vertex).iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
    }
}

/// Words that are zero and take no memory before they are written.
pub(crate) fn zeroed(count: usize) -> Box<[AtomicU32]> {
    <[AtomicU32]>::new_box_zeroed_with_elems(count)
        .expect("a segment's links are fewer than the address space has room for")
}

#[expect(clippy::cast_possible_truncation, reason = "a segment's rows fit 32 bits")]
fn slot_of(vertices: &[u32], row: u32) -> u32 {
    vertices.binary_search(&row).expect("a row is looked up on its own layers") as u32
}
