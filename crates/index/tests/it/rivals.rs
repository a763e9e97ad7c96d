//! Segments that are searched one after another for the same query.

use crate::data::{Random, build_as, clustered, exact, l2, recall, store};
use vicinal_index::{GrowingRecords, Index, IndexParams, Neighbor, Scratch, Search, Vectors, Work};
use vicinal_types::{Bitmap, Cancel, GraphParams};

const DIM: u32 = 24;
const ROWS: [usize; 4] = [3_000, 200, 1_500, 1_000];

enum Part {
    Sealed(Index),
    Growing(Box<GrowingRecords>),
}

/// Rows in four segments: two of records, one that is compared with whole, one that grows.
struct Segments {
    all: Vectors,
    parts: Vec<(u32, Vectors, Part)>,
}

impl Segments {
    /// The rows of a generated set in such an order.
    fn new(values: &[f32]) -> Self {
        let all = store(l2(DIM), values);
        let (row_bytes, mut first, mut parts) = (all.vector_type().row_bytes(), 0, Vec::new());
        for (at, rows) in ROWS.into_iter().enumerate() {
            let bytes = all.bytes().slice(first * row_bytes..(first + rows) * row_bytes);
            let vectors = Vectors::new(l2(DIM), bytes).expect("whole rows");
            let part = match at {
                1 => Part::Sealed(build_as(IndexParams::Flat, &vectors, 1)),
                3 => Part::Growing(Box::new(grown(&vectors))),
                _ => {
                    let params = GraphParams { m: 16, ef_construction: 64, seed: 42 };
                    Part::Sealed(build_as(IndexParams::Graph(params), &vectors, 1))
                }
            };
            parts.push((u32::try_from(first).expect("few rows"), vectors, part));
            first += rows;
        }
        Self { all, parts }
    }

    /// The nearest of all segments, and what it took.
    fn search(
        &self,
        query: &[u8],
        search: &Search<'_>,
        allowed: Option<&Bitmap>,
        scratch: &mut Scratch,
    ) -> (Vec<Neighbor>, Work) {
        let (mut nearest, mut work, never) = (Vec::new(), Work::default(), Cancel::never());
        scratch.forget_rivals();
        for (first, vectors, part) in &self.parts {
            let part_allowed = allowed.map(|allowed| {
                let mut some = Bitmap::new(vectors.len() as usize);
                let passing = (0..vectors.len()).filter(|row| allowed.contains(first + row));
                passing.for_each(|row| _ = some.insert(row));
                some
            });
            let search = Search { allowed: part_allowed.as_ref(), ..*search };
            let found = match part {
                Part::Sealed(index) => {
                    index.search(vectors, query, &search, scratch, &never).expect("not stopped")
                }
                Part::Growing(graph) => {
                    let row = |row| vectors.row(row);
                    let found = graph.search(row, vectors.len(), query, &search, scratch, &never);
                    found.expect("not stopped")
                }
            };
            work += found.work;
            let found = found.neighbors.iter();
            nearest.extend(found.map(|of| Neighbor { row: first + of.row, key: of.key }));
        }
        nearest.sort_by(|a, b| a.key.total_cmp(&b.key).then(a.row.cmp(&b.row)));
        nearest.truncate(search.k);
        (nearest, work)
    }

    /// The mean recall, and the vertices expanded.
    fn measure(
        &self,
        queries: &Vectors,
        search: &Search<'_>,
        allowed: Option<&Bitmap>,
    ) -> (f64, u64) {
        let (mut scratch, mut recalls, mut expanded) = (Scratch::default(), 0.0, 0);
        for query in (0..queries.len()).map(|query| queries.row(query)) {
            let (found, work) = self.search(query, search, allowed, &mut scratch);
            recalls += recall(&found, &exact(&self.all, query, search.k, allowed), allowed);
            expanded += work.expanded;
        }
        (recalls / f64::from(queries.len()), expanded)
    }
}

fn grown(vectors: &Vectors) -> GrowingRecords {
    let params = GraphParams { m: 16, ef_construction: 64, seed: 3 };
    let graph = GrowingRecords::new(params, vectors, vectors.len()).expect("right parameters");
    for _ in 0..vectors.len() {
        graph.insert_next(|row| vectors.row(row)).expect("there is memory");
    }
    graph
}

/// Rows and queries of one set; the rows strewn, or those of a cluster together, so that
/// all that is near a query is in one segment.
fn sets() -> [(Segments, Vectors); 2] {
    let (rows, dim) = (ROWS.iter().sum::<usize>(), DIM as usize);
    let all = clustered(rows + 60, dim, 30, 1);
    let (base, queries) = all.split_at(rows * dim);
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by_key(|row| row % 30);
    let together: Vec<f32> =
        order.iter().flat_map(|row| &base[row * dim..][..dim]).copied().collect();
    let queries = store(l2(DIM), queries);
    [(Segments::new(base), queries.clone()), (Segments::new(&together), queries)]
}

#[test]
fn together_segments_find_what_each_for_itself_finds_for_less() {
    for (segments, queries) in sets() {
        let apart = Search::new(10, 64);
        let (_, expanded_apart) = segments.measure(&queries, &apart, None);
        let together = Search { competes: true, ..apart };
        let (recall, expanded) = segments.measure(&queries, &together, None);
        assert!(recall >= 0.97, "recall {recall}");
        assert!(expanded * 4 < expanded_apart * 3, "{expanded} of {expanded_apart} expanded");
    }
}

#[test]
fn rows_that_pass_are_found_in_whatever_segment_they_are() {
    let mut random = Random(5);
    for (segments, queries) in sets() {
        let rows = segments.all.len();
        for one_in in [2, 8, 200] {
            let mut allowed = Bitmap::new(rows as usize);
            let passing = (0..rows).filter(|_| random.below(one_in) == 0);
            passing.for_each(|row| _ = allowed.insert(row));
            let search = Search { competes: true, ..Search::new(10, 48) };
            let (recall, _) = segments.measure(&queries, &search, Some(&allowed));
            assert!(recall >= 0.94, "one in {one_in}: {recall}");
        }
    }
}

#[test]
fn there_are_always_as_many_as_asked_for() {
    // More than a segment has, and no effort beyond what is wanted: `recall` counts them.
    for (segments, queries) in sets() {
        for k in [1, 300, 2_000] {
            let search = Search { competes: true, ..Search::new(k, 1) };
            segments.measure(&queries, &search, None);
        }
    }
}
