//! Building a graph.
//!
//! 1. Leaves of near rows, every row in several; within a leaf all rows are
//!    compared with each other, and the nearest of all leaves are candidates.
//! 2. Of its candidates each row links to those that no other link stands in the
//!    way of, then to the nearest others; links of the other direction are added.
//! 3. The graph so far is made into records and searched for every row; what the
//!    search came by and the links are candidates again (the refinement of NSG
//!    and SymphonyQG).
//! 4. What cannot be reached is linked, and the vertices are numbered as a
//!    breadth-first walk meets them.
//!
//! Every step reads what the step before left and writes its own: the graph does
//! not depend on the number of threads.

use super::candidates::Candidates;
use super::encode::Encoder;
use super::landmarks::Landmarks;
use super::links::Links;
use super::places::Places;
use super::records::{LANES, Layout, Rotated, mean};
use super::walk::{GraphScratch, Reach};
use super::{Graph, format, repair, stored};
use crate::hnsw::{BitCodes, Duplicates};
use crate::hot::Hot;
use crate::neighbors::Ranked;
use crate::quantise::rotation::{DIM_MULTIPLE, Rotation};
use crate::quantise::words::Words;
use crate::{IndexError, Progress, Vectors, Work};
use bytes::Bytes;
use std::cell::RefCell;
use vicinal_distance::{Comparer, kernels};
use vicinal_types::{Cancel, GraphParams, Stopped, VectorType};

/// Dimensions of codes at least: short vectors get more than one bit a dimension.
const ROTATED_DIM_MIN: usize = 128;

/// Neighbours that a row takes from each leaf at most, and from all leaves.
const CANDIDATES: (usize, usize) = (16, 64);

/// Candidates that links are chosen from, for each place.
const CANDIDATES_PER_LINK: usize = 4;

/// About so many vertices are expanded for each of the nearest that a search of
/// the draft keeps: `ef_construction` of them are looked at in all.
const EXPANDED_PER_NEAREST: u32 = 3;

pub(super) fn build(
    params: GraphParams,
    vectors: &Vectors,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Graph, IndexError> {
    let duplicates = Duplicates::find(vectors);
    let place = Places::new(vectors, &duplicates, params.seed, cancel)?;
    let steps = Steps { params, vectors, place: &place, progress, cancel };
    steps.report(5);
    let links = steps.first_links()?;
    let rotated_dim = rotated_dim(vectors.vector_type());
    let rotation = Rotation::new(rotated_dim, params.seed);
    let rotated = Rotated::new(vectors, &place.rows, mean(vectors), &rotation);
    let encoder = Encoder::new(vectors.vector_type(), &rotated, &rotation);
    let kind = stored::choose(vectors);
    let layout = Layout::new(kind.row_bytes(), rotated_dim, degree(params));
    let places: Vec<u32> = (0..).take(place.rows.len()).collect();
    let draft = Graph {
        params,
        rows: vectors.len(),
        element: format::element(kind, vectors.vector_type()),
        stored: kind,
        comparer: Comparer::new(kind, kernels()),
        landmarks: Landmarks::choose(&encoder, &places, rotated_dim, params.seed),
        rotation,
        mean: Words::from_floats(&rotated.mean),
        records: Bytes::new(),
        order: Words::filled(0, |_| {}),
        duplicates,
        codes: BitCodes::build(vectors, params.seed, cancel)?,
        layout,
    };
    let draft = steps.with_records(draft, &encoder, &links, &places)?;
    let mut links = steps.refined(&draft, &links)?;
    let order = repair::connect(&mut links, &place.compact);
    let landmarks = Landmarks::choose(&encoder, &order, rotated_dim, params.seed);
    steps.with_records(Graph { landmarks, ..draft }, &encoder, &links, &order)
}

/// Links of a vertex: blocks are full.
pub(super) fn degree(params: GraphParams) -> usize {
    (2 * params.m as usize).next_multiple_of(LANES)
}

/// Dimensions of the codes.
pub(super) fn rotated_dim(kind: VectorType) -> usize {
    kind.dim().next_multiple_of(DIM_MULTIPLE).max(ROTATED_DIM_MIN)
}

struct Steps<'a> {
    params: GraphParams,
    vectors: &'a Vectors,
    place: &'a Places,
    progress: &'a Progress,
    cancel: &'a Cancel,
}

impl Steps<'_> {
    /// Reports that `percent` of the work are done.
    fn report(&self, percent: u64) {
        self.progress.set(u64::from(self.vectors.len()) * percent / 100);
    }

    /// Links by leaves alone.
    fn first_links(&self) -> Result<Links, Stopped> {
        let (Places { compact, leaves, .. }, cancel) = (self.place, self.cancel);
        let candidates = Candidates::find(compact, leaves, CANDIDATES, cancel)?;
        self.report(30);
        let near = |place: u32, out: &mut Vec<Ranked>| {
            candidates.of(place, out);
            Ok(())
        };
        let links = Links::choose(compact, degree(self.params), near, cancel)?;
        let links = links.both_ways(compact, cancel)?;
        self.report(40);
        Ok(links)
    }

    /// Links by searching for every row in the graph so far.
    fn refined(&self, draft: &Graph, links: &Links) -> Result<Links, Stopped> {
        thread_local!(static SCRATCH: RefCell<GraphScratch> = RefCell::default());
        let Self { vectors, place: Places { compact, rows, .. }, cancel, .. } = *self;
        let effort = (self.params.ef_construction / EXPANDED_PER_NEAREST) as usize;
        let near = |place: u32, out: &mut Vec<Ranked>| {
            out.clear();
            SCRATCH.with_borrow_mut(|scratch| {
                let (wanted, expanded_max) = (0, u64::MAX);
                let reach = Reach {
                    effort,
                    wanted,
                    open_max: None,
                    without: None,
                    passes: None,
                    expanded_max,
                    expanded_per_result_max: u64::MAX,
                    cancel,
                };
                let mut work = Work::default();
                draft.walk(
                    vectors,
                    vectors.row(rows[place as usize]),
                    (reach, None),
                    scratch,
                    &mut work,
                )?;
                let own = compact.row(place);
                let found = || scratch.found.iter().map(|found| found.id());
                found().for_each(|other| compact.prefetch(other));
                out.extend(found().filter(|&other| other != place).map(|other| {
                    Ranked::new(compact.comparer().key(own, compact.row(other)), other)
                }));
                Ok(())
            })?;
            out.extend_from_slice(links.of(place));
            out.sort_unstable();
            out.dedup();
            out.truncate(links.degree * CANDIDATES_PER_LINK);
            Ok(())
        };
        let refined = Links::choose(compact, links.degree, near, cancel)?;
        self.report(75);
        let links = refined.both_ways(compact, cancel)?;
        self.report(85);
        Ok(links)
    }

    /// The graph with the records of these links; `order` names the place of each
    /// vertex.
    fn with_records(
        &self,
        graph: Graph,
        encoder: &Encoder<'_>,
        links: &Links,
        order: &[u32],
    ) -> Result<Graph, IndexError> {
        self.cancel.check()?;
        let (vectors, rows) = (self.vectors, &self.place.rows);
        let mut numbers = vec![0; order.len()];
        for (number, &place) in (0..).zip(order) {
            numbers[place as usize] = number;
        }
        let bytes = graph.layout.bytes * order.len();
        let mut records = Hot::new(bytes).ok_or(IndexError::NoMemory { bytes })?;
        let own = |place: u32, out: &mut [u8]| {
            let row = vectors.row(rows[place as usize]);
            stored::convert(vectors.vector_type(), row, graph.stored, out);
        };
        encoder.records(&graph.layout, links, (order, &numbers), own, records.bytes_mut());
        let order = Words::filled(order.len(), |out| {
            out.iter_mut().zip(order).for_each(|(row, &place)| *row = rows[place as usize]);
        });
        Ok(Graph { records: records.freeze(), order, ..graph })
    }
}
