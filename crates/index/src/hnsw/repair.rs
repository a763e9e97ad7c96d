//! Making every vertex reachable from the entry on the ground layer.
//!
//! Selection can drop the last link to a vertex. Such a vertex gets a link from
//! the nearest reachable one that has a free place, or a link that no other
//! vertex depends on: the links through which the vertices were first reached
//! form a tree, and only links outside of it are replaced. A tree of `n`
//! vertices has `n - 1` links, so there is always a place.

use super::Hnsw;
use super::layers::{NONE, Words};
use super::rows::Rows;
use super::walk::{Walk, WalkScratch};
use crate::Work;
use vicinal_types::{Bitmap, Cancel, Stopped};

/// Candidates looked at for a near place; farther ones are searched in order.
const EFFORT: usize = 64;

struct Tree {
    reached: Bitmap,
    /// The vertex through which a vertex was first reached.
    parents: Vec<u32>,
    queue: Vec<u32>,
}

/// Links every vertex that the entry cannot reach.
pub(crate) fn connect<R: Rows<Query = [u8]>>(
    hnsw: &mut Hnsw,
    rows: &R,
    cancel: &Cancel,
) -> Result<(), Stopped> {
    if hnsw.rows == 0 {
        return Ok(());
    }
    let degree = hnsw.params.ground_degree();
    let mut tree = Tree::new(hnsw.rows);
    tree.reach(hnsw.ground.get(), degree, hnsw.tower.ground_entry(), NONE);
    let lost: Vec<u32> = (0..hnsw.rows)
        .filter(|&row| !tree.reached.contains(row) && !hnsw.duplicates.is_duplicate(row))
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    let mut scratch = WalkScratch::default();
    let mut links = hnsw.ground.get().to_vec();
    for vertex in lost {
        cancel.check()?;
        if tree.reached.contains(vertex) {
            continue;
        }
        let walk =
            Walk { rows, query: rows.bytes(vertex), effort: EFFORT, ahead: rows.ahead(), cancel };
        let (seeds, count) = hnsw.tower.descend(&walk, &mut Work::default());
        scratch.begin(hnsw.rows);
        walk.beam(&hnsw.ground(), &seeds[..count], &mut scratch, &mut Work::default())?;
        let near = scratch.found().map(|ranked| ranked.id());
        let place = near
            .chain(0..hnsw.rows)
            .find_map(|from| Some((from, tree.place(&links, degree, from)?)));
        let (from, place) = place.expect("a tree has fewer links than there are places");
        links[place] = vertex;
        tree.reach(&links, degree, vertex, from);
    }
    hnsw.ground = Words::aligned(links.len(), links.into_iter());
    Ok(())
}

impl Tree {
    pub(crate) fn new(rows: u32) -> Self {
        Self {
            reached: Bitmap::new(rows as usize),
            parents: vec![NONE; rows as usize],
            queue: Vec::new(),
        }
    }

    /// Adds a vertex and all that it reaches.
    fn reach(&mut self, links: &[u32], degree: usize, vertex: u32, parent: u32) {
        self.add(vertex, parent);
        while let Some(vertex) = self.queue.pop() {
            for &link in record(links, degree, vertex).iter().take_while(|&&link| link != NONE) {
                self.add(link, vertex);
            }
        }
    }

    fn add(&mut self, vertex: u32, parent: u32) {
        if self.reached.insert(vertex) {
            self.parents[vertex as usize] = parent;
            self.queue.push(vertex);
        }
    }

    /// A place among a reached vertex's links for one more: the first free one,
    /// or the last whose link no vertex depends on.
    fn place(&self, links: &[u32], degree: usize, from: u32) -> Option<usize> {
        if !self.reached.contains(from) {
            return None;
        }
        let record = record(links, degree, from);
        let free = record.iter().position(|&link| link == NONE);
        let unneeded = || record.iter().rposition(|&link| self.parents[link as usize] != from);
        free.or_else(unneeded).map(|at| from as usize * degree + at)
    }
}

fn record(links: &[u32], degree: usize, vertex: u32) -> &[u32] {
    &links[vertex as usize * degree..(vertex as usize + 1) * degree]
}

/// How many vertices the entry reaches on the ground.
#[cfg(test)]
pub(crate) fn reachable(hnsw: &Hnsw) -> usize {
    let mut tree = Tree::new(hnsw.rows);
    tree.reach(hnsw.ground.get(), hnsw.params.ground_degree(), hnsw.tower.ground_entry(), NONE);
    tree.reached.count()
}
