//! The truth that recall is measured against.

use super::*;
use bytes::Bytes;
use vicinal_types::{ElementType, Metric, VectorType};

#[test]
fn the_truth_leaves_the_query_itself_out() {
    let vector = VectorType::new(1, ElementType::U8, Metric::L2).expect("a right type");
    let vectors =
        Vectors::new(vector, Bytes::from_static(&[10, 20, 13, 40, 11])).expect("whole rows");
    let own = |row| Query {
        stored: Cow::Borrowed(vectors.row(row)),
        own: Some(Own { row, vertex: row }),
    };
    let bounds = |queries: &[Query<'_>], k| -> Vec<_> {
        let wanted = Wanted { k, queries: queries.len(), mask: None };
        let found = truth(&vectors, queries, &[wanted], &Cancel::never()).expect("not stopped");
        found[0].iter().map(|top| bound(&top.clone().into_sorted())).collect()
    };
    assert_eq!(bounds(&[own(0), own(3)], 2), [(9.0, 2), (729.0, 2)]);
    assert_eq!(bounds(&[own(0)], 10), [(900.0, 4)]);
    let stored = Query { stored: Cow::Owned(vec![10]), own: None };
    assert_eq!(bounds(&[stored], 2), [(1.0, 2)]);
    // Among some rows, and of the first queries only.
    let mask = Bitmap::from_words(vec![0b01_1010], 5);
    let some = Wanted { k: 2, queries: 1, mask: Some(&mask) };
    let all = Wanted { k: 1, queries: 2, mask: None };
    let found = truth(&vectors, &[own(0), own(3)], &[some, all], &Cancel::never());
    let rows = |tops: &[TopK]| -> Vec<Vec<u32>> {
        let sorted = tops.iter().map(|top| top.clone().into_sorted());
        sorted.map(|found| found.iter().map(|found| found.row).collect()).collect()
    };
    let found = found.expect("not stopped");
    assert_eq!(
        found.iter().map(|tops| rows(tops)).collect::<Vec<_>>(),
        [vec![vec![4, 1]], vec![vec![4], vec![1]]]
    );
}

#[test]
fn a_mirrored_vector_is_as_far_away_on_the_other_side() {
    let check = |vector: VectorType, rows: &'static [u8], expected: &[u8]| {
        let vectors = Vectors::new(vector, Bytes::from_static(rows)).expect("whole rows");
        assert_eq!(mirrored(&vectors, 0, 1), expected);
    };
    let vector = |dim, element, metric| VectorType::new(dim, element, metric).expect("a type");
    check(vector(2, ElementType::I8, Metric::L2), &[10, 0, 12, 255], &[8, 1]);
    check(vector(1, ElementType::U8, Metric::L2), &[250, 10], &[255]);
    // Six bits differ, six others do then.
    check(vector(16, ElementType::Binary, Metric::Hamming), &[0, 0, 0x3f, 0], &[0, 0x3f]);
    let f16 = vector(1, ElementType::F16, Metric::L2);
    check(f16, &[0x00, 0x3c, 0x00, 0x40], &[0x00, 0x00]);
}
