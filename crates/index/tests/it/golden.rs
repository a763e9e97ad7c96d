//! Results and work of small indexes of every native kind, pinned: a slower or
//! different search shows up in review. `UPDATE=1` rewrites the files.

use crate::data::{Random, build, build_as, clustered, search, store};
use std::fmt::Write as _;
use std::path::Path;
use vicinal_index::{Index, IndexParams, Vectors};
use vicinal_types::{Bitmap, ElementType, GraphParams, HnswCodes, HnswParams, Metric, VectorType};

const ROWS: usize = 2_000;
const QUERIES: usize = 6;

/// Whole numbers: their sums are exact, so every instruction set agrees.
fn data() -> (Vectors, Vectors) {
    let vector = VectorType::new(16, ElementType::U8, Metric::L2).expect("a right type");
    let all = clustered(ROWS + QUERIES, 16, 10, 5);
    let (base, queries) = all.split_at(ROWS * 16);
    (store(vector, base), store(vector, queries))
}

#[test]
fn results_and_work_of_one_thread_are_pinned() {
    let (vectors, queries) = data();
    let index = build(&vectors, 8, 40, 1);
    let mut random = Random(9);
    let mut half = Bitmap::new(ROWS);
    (0..vectors.len()).filter(|_| random.below(2) == 0).for_each(|row| _ = half.insert(row));
    let mut text = String::from("# query, effort, mask: distances, expanded: row=key …\n");
    for query in 0..queries.len() {
        for (effort, name, mask) in
            [(10, "all", None), (40, "all", None), (10, "half", Some(&half))]
        {
            let found = search(&index, &vectors, queries.row(query), 5, effort, mask);
            write!(
                text,
                "{query}, {effort}, {name}: {}, {}:",
                found.work.distances, found.work.expanded
            )
            .expect("memory");
            for neighbor in found.neighbors {
                write!(text, " {}={}", neighbor.row, neighbor.key).expect("memory");
            }
            text.push('\n');
        }
    }
    check("hnsw_search.txt", &text);
}

/// Compares with the golden file, or writes it anew.
fn check(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(file);
    if std::env::var_os("UPDATE").is_some() {
        #[expect(
            clippy::disallowed_methods,
            reason = "the golden file is part of the source tree"
        )]
        std::fs::write(&path, text).expect("the source tree is writable");
    }
    let expected =
        std::fs::read_to_string(&path).expect("the golden file is part of the source tree");
    assert_eq!(text, expected, "run with UPDATE=1 if the change is meant, and say why");
}

/// What searches of an index at some efforts find and take.
fn lines(
    text: &mut String,
    index: &Index,
    vectors: &Vectors,
    queries: &Vectors,
    efforts: [usize; 2],
) {
    for query in 0..queries.len().min(3) {
        for effort in efforts {
            let found = search(index, vectors, queries.row(query), 5, effort, None);
            write!(text, "{}, {query}, {effort}:", index.params()).expect("memory");
            let work = found.work;
            for (count, name) in [
                (work.distances, "distances"),
                (work.estimates, "estimates"),
                (work.expanded, "expanded"),
                (work.lists, "lists"),
                (work.pages, "pages"),
            ] {
                if count > 0 {
                    write!(text, " {count} {name},").expect("memory");
                }
            }
            for neighbor in found.neighbors {
                write!(text, " {}={}", neighbor.row, neighbor.key).expect("memory");
            }
            text.push('\n');
        }
    }
}

#[test]
fn results_and_work_of_graphs_are_pinned() {
    let (vectors, queries) = data();
    let layered = |codes| HnswParams { m: 8, ef_construction: 40, seed: 42, codes };
    let codes = [HnswCodes::None, HnswCodes::Sq8, HnswCodes::Sq4, HnswCodes::Rabitq1];
    let inlined = IndexParams::Graph(GraphParams { m: 16, ef_construction: 40, seed: 42 });
    let layers = codes.map(|codes| IndexParams::Hnsw(layered(codes)));
    let pages = codes.map(|codes| IndexParams::Paged(layered(codes)));
    let mut text = String::from("# index, query, effort: work, row=key …\n");
    for params in [inlined].into_iter().chain(layers).chain(pages) {
        lines(&mut text, &build_as(params, &vectors, 1), &vectors, &queries, [10, 40]);
    }
    check("graph_search.txt", &text);
}

#[test]
fn one_thread_builds_the_same_bytes_again() {
    let (vectors, _) = data();
    assert_eq!(build(&vectors, 8, 40, 1).sections(), build(&vectors, 8, 40, 1).sections());
}
