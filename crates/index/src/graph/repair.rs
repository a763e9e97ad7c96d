//! Making every vertex reachable from the root.
//!
//! Choosing can drop the last link to a vertex. Such a vertex gets a link from
//! the nearest of its own neighbours that is reachable and has a free place, or
//! one whose link no other vertex depends on: the links through which vertices
//! were first reached form a tree, and only links outside of it are replaced. A
//! tree of `n` vertices has `n - 1` links, so there is always a place.

use super::compact::Compact;
use super::links::Links;
use crate::neighbors::Ranked;
use vicinal_types::Bitmap;

const NOBODY: u32 = u32::MAX;

struct Tree {
    /// Everything reached, in breadth-first order.
    order: Vec<u32>,
    reached: Bitmap,
    /// The row through which a row was first reached.
    parents: Vec<u32>,
}

/// Links every row that the first of them cannot reach, and returns them all in
/// the order in which a breadth-first walk meets them: neighbours
/// lie near each other in it.
pub(super) fn connect(links: &mut Links, compact: &Compact) -> Vec<u32> {
    let rows = compact.rows();
    if rows == 0 {
        return Vec::new();
    }
    let mut tree =
        Tree { order: Vec::new(), reached: Bitmap::new(rows), parents: vec![NOBODY; rows] };
    tree.reach(links, 0, NOBODY);
    for lost in (0..).take(rows) {
        if tree.reached.contains(lost) {
            continue;
        }
        let near = links.of(lost).iter().map(|link| link.id());
        let (from, place) = near
            .chain(tree.order.iter().copied())
            .find_map(|from| Some((from, tree.place(links, from)?)))
            .expect("a tree has fewer links than there are places");
        let key = compact.comparer().key(compact.row(from), compact.row(lost));
        links.places()[place] = Ranked::new(key, lost);
        tree.reach(links, lost, from);
    }
    tree.order
}

impl Tree {
    /// Adds a row and all that it reaches.
    fn reach(&mut self, links: &Links, row: u32, parent: u32) {
        let mut at = self.order.len();
        self.add(row, parent);
        while let Some(&row) = self.order.get(at) {
            at += 1;
            links.of(row).iter().for_each(|link| self.add(link.id(), row));
        }
    }

    fn add(&mut self, row: u32, parent: u32) {
        if self.reached.insert(row) {
            self.parents[row as usize] = parent;
            self.order.push(row);
        }
    }

    /// A place among a reached row's links for one more: the first free one, or
    /// the last whose link no row depends on.
    fn place(&self, links: &Links, from: u32) -> Option<usize> {
        if !self.reached.contains(from) {
            return None;
        }
        let of = links.of(from);
        let unneeded = || of.iter().rposition(|link| self.parents[link.id() as usize] != from);
        let at = if of.len() < links.degree { Some(of.len()) } else { unneeded() };
        at.map(|at| from as usize * links.degree + at)
    }
}
