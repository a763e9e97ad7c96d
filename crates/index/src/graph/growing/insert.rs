//! Putting a row into the graph.
//!
//! 1. The graph is searched for the row; what the walk came by are candidates, and links are
//!    chosen among the nearest as in a build.
//! 2. The row's record is written: nobody can come to it yet.
//! 3. It is offered to each of those it links to. One that is full drops the farthest of the
//!    links that another stands in the way of, the new one included. What of its links the
//!    new one stands in the way of, and they of it, is read off estimates: the row was
//!    searched for, so one pass over a record gives its distances to all neighbours there.
//!
//! A record takes one way more or less at a time, so only one of its codes is made anew.

use super::GrowingRecords;
use super::frame::Frame;
use super::slots::Writer;
use crate::graph::landmarks::{COUNT_MAX, VERTICES_PER_LANDMARK};
use crate::graph::prune::PruneScratch;
use crate::graph::records::{LANES, Lane};
use crate::graph::walk::{GraphScratch, Reach};
use crate::hnsw::mix;
use crate::neighbors::Ranked;
use crate::{IndexError, Work};
use vicinal_distance::{Estimate, kernels};
use vicinal_types::Cancel;

/// Bytes are counted in pages.
pub(super) const PAGE_BYTES: usize = 4_096;

/// Of the candidates that a search for a row is to keep, the walk keeps so many times fewer:
/// it looks at two vertices or three for each.
const EXPANDED_PER_NEAREST: u32 = 2;

/// Candidates that links are chosen from, for each place.
const CANDIDATES_PER_LINK: usize = 3;

/// The root, through which every vertex can be reached.
const ROOT: u32 = 0;

/// What the one who inserts knows beside the records, and its memory.
#[derive(Debug, Default)]
pub(super) struct Inserter {
    writer: Writer,
    /// Keys of the links of every row, by lane; infinity where there is none.
    keys: Vec<f32>,
    /// A bit for every lane whose link another stands in the way of.
    covered: Vec<u32>,
    /// The vertex through which a row was first reached.
    parents: Vec<u32>,
    vertices: u32,
    walk: GraphScratch,
    prune: PruneScratch,
    near: Vec<Ranked>,
    /// Those chosen, and their rotated vectors.
    chosen: Vec<Ranked>,
    rotated: Vec<f32>,
    signs: Vec<u8>,
}

/// A row on its way in.
struct New<'a> {
    row: u32,
    rotated: &'a [f32],
    mean_dot: f32,
}

impl Inserter {
    /// Bytes that it and the records take.
    pub(super) fn bytes(&self, graph: &GrowingRecords) -> usize {
        let words = self.keys.len() + self.covered.len() + self.parents.len();
        // A place and a copy for every row.
        graph.slots.written_bytes(&self.writer) + 4 * (words + 2 * self.parents.len())
    }

    /// Makes the row behind the last a vertex with links, or a copy.
    pub(super) fn insert<'v>(
        &mut self,
        graph: &GrowingRecords,
        row: &impl Fn(u32) -> &'v [u8],
        new: u32,
    ) -> Result<(), IndexError> {
        while graph.slots.is_held_up(&self.writer) {
            std::thread::yield_now();
            graph.slots.reclaim(&mut self.writer);
        }
        let degree = graph.frame.layout.degree;
        self.keys.resize((new as usize + 1) * degree, f32::INFINITY);
        self.covered.resize((new as usize + 1) * (degree / LANES), 0);
        self.parents.resize(new as usize + 1, ROOT);
        self.find(graph, row(new), new);
        if let Some(vertex) = self.equal(graph, row, new) {
            graph.chain(vertex, new);
            return Ok(());
        }
        self.choose(graph, new);
        let mut rotated = std::mem::take(&mut self.walk.query.rotated);
        let linked = self.link(graph, new, &mut rotated);
        self.walk.query.rotated = rotated;
        linked?;
        graph.slots.reclaim(&mut self.writer);
        Ok(())
    }

    /// Searches for a row among those before it.
    fn find(&mut self, graph: &GrowingRecords, bytes: &[u8], new: u32) {
        let never = Cancel::never();
        let reach = Reach {
            effort: (graph.params.ef_construction / EXPANDED_PER_NEAREST) as usize,
            wanted: 0,
            open_max: None,
            without: None,
            passes: None,
            expanded_max: u64::MAX,
            expanded_per_result_max: u64::MAX,
            cancel: &never,
        };
        let (reading, work) = (graph.slots.read(), &mut Work::default());
        graph
            .walk(&reading, new, bytes, (reach, None), &mut self.walk, work)
            .expect("nobody cancels an insertion");
    }

    /// The vertex among those found that has the same bytes.
    fn equal<'v>(
        &self,
        graph: &GrowingRecords,
        row: &impl Fn(u32) -> &'v [u8],
        new: u32,
    ) -> Option<u32> {
        let vector = graph.frame.layout.vector.clone();
        let is_alike = |vertex: &u32| {
            let record = graph.slots.written(&self.writer, *vertex);
            record.is_some_and(|record| record[vector.clone()] == self.walk.stored[..])
        };
        let found = self.walk.found.iter().map(|found| found.id());
        found.filter(is_alike).find(|&vertex| row(vertex) == row(new))
    }

    /// Chooses the links of a row among what was found.
    fn choose(&mut self, graph: &GrowingRecords, new: u32) {
        let frame = &graph.frame;
        let (degree, words) = (frame.layout.degree, frame.layout.degree / LANES);
        let near = &mut self.near;
        near.clear();
        let found = self.walk.found.iter();
        near.extend(found.map(|found| Ranked::new(frame.link_key(found.key()), found.id())));
        let count = near.len().min(degree * CANDIDATES_PER_LINK);
        if count < near.len() {
            near.select_nth_unstable(count);
        }
        near.truncate(count);
        near.sort_unstable();
        self.prune.begin();
        for candidate in near.iter() {
            let record = graph.slots.written(&self.writer, candidate.id());
            let record = record.expect("what was found has a record");
            self.prune.gather(&record[frame.layout.vector.clone()]);
        }
        let (chosen, open) = self.prune.choose_by_codes(&frame.of_links, frame.slack, near, degree);
        self.chosen.clear();
        self.chosen.extend_from_slice(chosen);
        let keys = &mut self.keys[new as usize * degree..];
        keys.iter_mut().zip(chosen).for_each(|(key, link)| *key = link.key());
        let covered = &mut self.covered[new as usize * words..];
        (open..chosen.len()).for_each(|lane| covered[lane / LANES] |= 1 << (lane % LANES));
    }

    /// Writes a row's record, then puts links to it into those of the others.
    fn link(
        &mut self,
        graph: &GrowingRecords,
        row: u32,
        rotated: &mut [f32],
    ) -> Result<(), IndexError> {
        let (frame, chosen) = (&graph.frame, std::mem::take(&mut self.chosen));
        let dim = rotated.len();
        let mut others = std::mem::take(&mut self.rotated);
        others.resize(chosen.len() * dim, 0.0);
        for (of, other) in chosen.iter().zip(others.chunks_exact_mut(dim)) {
            let record = graph.slots.written(&self.writer, of.id());
            frame.rotate(record.expect("those chosen have records"), other);
        }
        let new = New { row, rotated, mean_dot: frame.mean_dot(rotated) };
        let linked = self.link_to(graph, &new, &chosen, &others);
        (self.chosen, self.rotated) = (chosen, others);
        linked
    }

    fn link_to(
        &mut self,
        graph: &GrowingRecords,
        new: &New<'_>,
        chosen: &[Ranked],
        others: &[f32],
    ) -> Result<(), IndexError> {
        let dim = new.rotated.len();
        self.put_record(graph, new, chosen, others)?;
        let mut parent = (new.row == ROOT).then_some(ROOT);
        for (of, other) in chosen.iter().zip(others.chunks_exact(dim)) {
            let Some(lane) = self.place(graph, *of) else { continue };
            self.put_link(graph, new, (*of, other), lane)?;
            parent = parent.or(Some(of.id()));
        }
        if let Some(parent) = parent {
            self.parents[new.row as usize] = parent;
        } else {
            self.adopt(graph, new, chosen)?;
        }
        self.vertices += 1;
        self.put_landmark(graph, new)
    }

    fn put_record(
        &mut self,
        graph: &GrowingRecords,
        new: &New<'_>,
        chosen: &[Ranked],
        others: &[f32],
    ) -> Result<(), IndexError> {
        let (frame, signs) = (&graph.frame, &mut self.signs);
        let (layout, metric) = (&frame.layout, frame.kind.metric());
        let (stored, dim) = (&self.walk.stored, new.rotated.len());
        graph.slots.replace(&mut self.writer, new.row, |_, record| {
            record[layout.vector.clone()].copy_from_slice(stored);
            for (at, (of, other)) in chosen.iter().zip(others.chunks_exact(dim)).enumerate() {
                let mean_dot = frame.mean_dot(other) - new.mean_dot;
                let lane = Lane { at, vertex: of.id(), ends: (new.rotated, other), mean_dot };
                layout.put(metric, &lane, signs, record);
            }
            (chosen.len()..layout.degree).for_each(|lane| layout.put_nothing(lane, record));
        })
    }

    /// Puts a link to a row into a lane of another's record.
    fn put_link(
        &mut self,
        graph: &GrowingRecords,
        new: &New<'_>,
        (of, other): (Ranked, &[f32]),
        at: usize,
    ) -> Result<(), IndexError> {
        let (frame, signs) = (&graph.frame, &mut self.signs);
        let mean_dot = new.mean_dot - frame.mean_dot(other);
        let lane = Lane { at, vertex: new.row, ends: (other, new.rotated), mean_dot };
        graph.slots.replace(&mut self.writer, of.id(), |old, record| {
            record.copy_from_slice(old.expect("what is linked to has a record"));
            frame.layout.put(frame.kind.metric(), &lane, signs, record);
        })?;
        self.keys[of.id() as usize * frame.layout.degree + at] = of.key();
        Ok(())
    }

    /// The lane of another's record where the link to a row has its place; none if all that
    /// are there are better. Notes what stands in the way of what.
    fn place(&mut self, graph: &GrowingRecords, of: Ranked) -> Option<usize> {
        let Frame { layout, slack, .. } = &graph.frame;
        let (degree, words) = (layout.degree, layout.degree / LANES);
        let record = graph.slots.written(&self.writer, of.id())?;
        let keys = &self.keys[of.id() as usize * degree..][..degree];
        let covered = &mut self.covered[of.id() as usize * words..][..words];
        let (query, own) = (&self.walk.query, of.key());
        // Lanes that the row stands in the way of, and whether one stands in its own.
        let (mut newly, mut is_covered) = ([0_u32; LANES_MAX / LANES], false);
        for (at, covered) in covered.iter().enumerate() {
            let block = layout.block(record, at);
            let (mut sums, mut near) = ([0; LANES], [0.0; LANES]);
            kernels().fastscan(block.codes, &query.tables, &mut sums);
            let base = graph.frame.key_of_link(own);
            let (scale, shift, bound) = (query.scale, query.shift, f32::INFINITY);
            let estimate = Estimate { base, scale, shift, bound };
            kernels().estimates(&sums, block.adds, block.factors, estimate, &mut near);
            for (lane, near) in near.into_iter().enumerate() {
                let key = keys[at * LANES + lane];
                if covered >> lane & 1 == 1 || key == f32::INFINITY {
                    continue;
                }
                let between = graph.frame.link_key(near) * slack;
                is_covered |= key <= own && between < own;
                newly[at] |= u32::from(key > own && between < key) << lane;
            }
        }
        let lane = match keys.iter().position(|key| *key == f32::INFINITY) {
            Some(free) => free,
            None => {
                let is_open = |lane: usize| (covered[lane / LANES] >> (lane % LANES)) & 1 == 0;
                let is_newly = |lane: usize| (newly[lane / LANES] >> (lane % LANES)) & 1 == 1;
                let among_covered = |lane: usize| !is_open(lane) || !is_covered && is_newly(lane);
                let bound = if is_covered { own } else { f32::NEG_INFINITY };
                let ids = |lane: usize| layout.block(record, lane / LANES).ids[lane % LANES];
                let dropped = |lane: usize| self.parents[ids(lane) as usize] != of.id();
                farthest(keys, bound, among_covered, dropped)
                    .or_else(|| farthest(keys, own, |lane| !is_covered && is_open(lane), dropped))?
            }
        };
        if !is_covered {
            covered.iter_mut().zip(newly).for_each(|(covered, newly)| *covered |= newly);
        }
        let bit = 1 << (lane % LANES);
        let word = &mut covered[lane / LANES];
        *word = if is_covered { *word | bit } else { *word & !bit };
        Some(lane)
    }

    /// Links to a row that found no place from the first that has a link to spare.
    fn adopt(
        &mut self,
        graph: &GrowingRecords,
        new: &New<'_>,
        chosen: &[Ranked],
    ) -> Result<(), IndexError> {
        let layout = &graph.frame.layout;
        let spare = |of: u32| {
            let record = graph.slots.written(&self.writer, of)?;
            let keys = &self.keys[of as usize * layout.degree..][..layout.degree];
            let ids = |lane: usize| layout.block(record, lane / LANES).ids[lane % LANES];
            let free = keys.iter().position(|key| *key == f32::INFINITY);
            let dropped = |lane: usize| self.parents[ids(lane) as usize] != of;
            let lane = free.or_else(|| farthest(keys, f32::NEG_INFINITY, |_| true, dropped))?;
            Some((of, lane))
        };
        let near = chosen.iter().map(|of| of.id());
        let (of, lane) = near
            .chain(0..new.row)
            .find_map(spare)
            .expect("a tree of vertices has fewer links than places");
        let vector = layout.vector.clone();
        let record = graph.slots.written(&self.writer, of).expect("it has a lane to spare");
        let key = graph.frame.comparer.key(&record[vector], &self.walk.stored);
        let mut other = vec![0.0; new.rotated.len()];
        graph.frame.rotate(record, &mut other);
        let link = Ranked::new(graph.frame.link_key(key), of);
        self.put_link(graph, new, (link, &other), lane)?;
        self.covered[of as usize * (layout.degree / LANES) + lane / LANES] |= 1 << (lane % LANES);
        self.parents[new.row as usize] = of;
        Ok(())
    }

    /// Makes a row a landmark if it is its turn: one in some at first, then one of all so far
    /// with equal chances, so that they are spread over all. The root stays one.
    fn put_landmark(&mut self, graph: &GrowingRecords, new: &New<'_>) -> Result<(), IndexError> {
        let first = (self.vertices as usize - 1) / VERTICES_PER_LANDMARK;
        let number = if first < COUNT_MAX {
            (self.vertices as usize % VERTICES_PER_LANDMARK == 1).then_some(first)
        } else {
            #[expect(clippy::cast_possible_truncation, reason = "below the vertices")]
            let drawn = (mix(mix(graph.params.seed) ^ u64::from(new.row))
                % u64::from(self.vertices)) as usize;
            (1..COUNT_MAX).contains(&drawn).then_some(drawn)
        };
        let Some(number) = number else { return Ok(()) };
        #[expect(clippy::cast_possible_truncation, reason = "a few blocks")]
        let place = graph.capacity() + (number / LANES) as u32;
        let (frame, signs, metric) = (&graph.frame, &mut self.signs, graph.frame.kind.metric());
        let layout = &frame.landmarks;
        let origin = vec![0.0; new.rotated.len()];
        let (at, mean_dot) = (number % LANES, new.mean_dot);
        let lane = Lane { at, vertex: new.row, ends: (&origin, new.rotated), mean_dot };
        graph.slots.replace(&mut self.writer, place, |old, record| {
            match old {
                Some(old) => record.copy_from_slice(old),
                None => (0..LANES).for_each(|lane| layout.put_nothing(lane, record)),
            }
            layout.put(metric, &lane, signs, record);
        })
    }
}

/// Lanes of a record at most.
const LANES_MAX: usize = 512;

/// The lane with the largest key above `bound` that `is_one` and may be `dropped`.
fn farthest(
    keys: &[f32],
    bound: f32,
    is_one: impl Fn(usize) -> bool,
    dropped: impl Fn(usize) -> bool,
) -> Option<usize> {
    let mut barred = [0_u32; LANES_MAX / LANES];
    loop {
        let is_barred = |lane: usize| (barred[lane / LANES] >> (lane % LANES)) & 1 == 1;
        let lanes = (0..keys.len()).filter(|&lane| keys[lane] > bound && is_one(lane));
        let lane =
            lanes.filter(|&lane| !is_barred(lane)).max_by(|a, b| keys[*a].total_cmp(&keys[*b]))?;
        if dropped(lane) {
            return Some(lane);
        }
        barred[lane / LANES] |= 1 << (lane % LANES);
    }
}
