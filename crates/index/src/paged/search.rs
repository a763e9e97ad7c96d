//! Searching records: steered by codes, ranked by the rows in the pages read.

use super::records::{PagedLinks, PagesRead};
use super::{Paged, PagedScratch};
use crate::flat::exact;
use crate::hnsw::{
    Codes, Ended, HnswScratch, POOL_MAX, Rows, Walk, WalkScratch, walk_pays, with_duplicates,
};
use crate::neighbors::Ranked;
use crate::{Found, Scratch, Search, Vectors, Work};
use std::cell::RefCell;
use vicinal_types::{Bitmap, Cancel, Stopped};

/// A search whose numbers are settled.
#[derive(Clone, Copy)]
struct Task<'a> {
    search: Search<'a>,
    /// Rows that may be found.
    passing: usize,
    cancel: &'a Cancel,
}

impl Paged {
    pub(crate) fn search(
        &self,
        vectors: &Vectors,
        query: &[u8],
        search: &Search<'_>,
        Scratch { paged: scratch, pools, .. }: &mut Scratch,
        cancel: &Cancel,
    ) -> Result<Found, Stopped> {
        assert_eq!(
            vectors.len(),
            self.rows,
            "an index is searched with the vectors it was built for"
        );
        let passing = search.allowed.map_or(self.rows as usize, Bitmap::count);
        let allowed = search.allowed.filter(|_| passing < self.rows as usize);
        let k = search.k.min(passing);
        let search = Search { k, effort: search.effort.max(k), allowed, ..*search };
        let mut work = Work::default();
        if k == 0 {
            return Ok(Found { neighbors: Vec::new(), work });
        }
        if !walk_pays(&search, self.rows, passing) {
            return exact(vectors, query, &search, pools, work, cancel);
        }
        let task = Task { search, passing, cancel };
        scratch.pages.begin(&self.records);
        let ended = self.walk(vectors, query, &task, scratch, &mut work)?;
        self.rank(vectors, query, scratch, &mut work);
        work.pages = scratch.pages.count();
        let neighbors = with_duplicates(&self.duplicates, &search, &mut scratch.graph, pools);
        if ended == Ended::Converged && neighbors.len() == k {
            return Ok(Found { neighbors, work });
        }
        pools.put_results(neighbors);
        exact(vectors, query, &search, pools, work, cancel)
    }

    /// Walks on the codes, along the links of the records.
    fn walk(
        &self,
        vectors: &Vectors,
        query: &[u8],
        task: &Task<'_>,
        scratch: &mut PagedScratch,
        work: &mut Work,
    ) -> Result<Ended, Stopped> {
        let PagedScratch { graph: HnswScratch { walk, query: prepared, .. }, pages } = scratch;
        match &self.codes {
            Codes::Rows(rows) => self.walk_on(rows, query, task, walk, pages, work),
            Codes::Scalar(codes) => {
                let vector = vectors.vector_type();
                codes.encode_query(vector, query, &mut prepared.values, &mut prepared.code);
                self.walk_on(codes, &prepared.code, task, walk, pages, work)
            }
            Codes::Bits(codes) => {
                codes.prepare(query, &mut prepared.values, &mut prepared.bits);
                self.walk_on(codes, &prepared.bits, task, walk, pages, work)
            }
        }
    }

    fn walk_on<R: Rows>(
        &self,
        rows: &R,
        query: &R::Query,
        task: &Task<'_>,
        scratch: &mut WalkScratch,
        pages: &mut PagesRead,
        work: &mut Work,
    ) -> Result<Ended, Stopped> {
        let Task { search, passing, cancel } = *task;
        let walk = Walk { rows, query, effort: search.effort, ahead: rows.ahead(), cancel };
        let (seeds, count) = self.tower.descend(&walk, work);
        scratch.begin(self.records.vertices());
        let links = PagedLinks { records: &self.records, pages: RefCell::new(pages) };
        let (links, seeds) = (&links, &seeds[..count]);
        match search.allowed {
            None if search.effort <= POOL_MAX => walk.beam(links, seeds, scratch, work),
            None => walk.heaps(links, seeds, |_| true, u64::MAX, scratch, work),
            Some(allowed) => {
                let passes = |vertex: u32| {
                    let row = self.row_of.get()[vertex as usize];
                    let mut copies = self.duplicates.of(row).iter();
                    allowed.contains(row) || copies.any(|&copy| allowed.contains(copy))
                };
                walk.heaps(links, seeds, passes, passing as u64, scratch, work)
            }
        }
    }

    /// Compares the rows in the records of the vertices found, which were read
    /// for their links, and sorts them by their exact keys.
    fn rank(&self, vectors: &Vectors, query: &[u8], scratch: &mut PagedScratch, work: &mut Work) {
        let PagedScratch { graph: HnswScratch { walk, ranked, .. }, pages } = scratch;
        let key = |vertex: u32| vectors.comparer().key(query, self.records.row(vertex));
        ranked.clear();
        for found in walk.found() {
            pages.note(&self.records, found.id());
            let row = self.row_of.get()[found.id() as usize];
            ranked.push(Ranked::new(key(found.id()), row));
        }
        work.distances += ranked.len() as u64;
        ranked.sort_unstable();
    }
}
