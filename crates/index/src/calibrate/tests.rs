//! The truth that recall is measured against.

use super::*;
use bytes::Bytes;
use vicinal_types::{ElementType, Metric, VectorType};

#[test]
fn the_truth_leaves_the_query_itself_out() {
    let vector = VectorType::new(1, ElementType::U8, Metric::L2).expect("a right type");
    let vectors =
        Vectors::new(vector, Bytes::from_static(&[10, 20, 13, 40, 11])).expect("whole rows");
    let found = truth(&vectors, &[0, 3], 2, &Cancel::never()).expect("not stopped");
    assert_eq!(found, [(9.0, 2), (729.0, 2)]);
    let all = truth(&vectors, &[0], 10, &Cancel::never()).expect("not stopped");
    assert_eq!(all, [(900.0, 4)]);
}
