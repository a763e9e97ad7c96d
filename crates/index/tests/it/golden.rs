//! Results and work of a small graph, pinned: a slower or different walk shows
//! up in review. `UPDATE=1` rewrites the file.

use crate::data::{Random, build, clustered, search, store};
use std::fmt::Write as _;
use std::path::Path;
use vicinal_index::Vectors;
use vicinal_types::{Bitmap, ElementType, Metric, VectorType};

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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/hnsw_search.txt");
    if std::env::var_os("UPDATE").is_some() {
        #[expect(
            clippy::disallowed_methods,
            reason = "the golden file is part of the source tree"
        )]
        std::fs::write(&path, &text).expect("the source tree is writable");
    }
    let expected =
        std::fs::read_to_string(&path).expect("the golden file is part of the source tree");
    assert_eq!(text, expected, "run with UPDATE=1 if the change is meant, and say why");
}

#[test]
fn one_thread_builds_the_same_bytes_again() {
    let (vectors, _) = data();
    assert_eq!(build(&vectors, 8, 40, 1).sections(), build(&vectors, 8, 40, 1).sections());
}
