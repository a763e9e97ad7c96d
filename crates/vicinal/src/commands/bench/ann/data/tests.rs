//! Vectors are stored as a column would store them; the truth is exact.

use super::*;

fn encoded(row: &[f32], element: ElementType) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let path = Path::new("base.npy");
    encode(path, row, 1.0, element, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[test]
fn elements_are_encoded_or_refused() {
    assert_eq!(encoded(&[1.0], ElementType::F32), Ok(vec![0, 0, 0x80, 0x3f]));
    assert_eq!(encoded(&[1.0], ElementType::F16), Ok(vec![0, 0x3c]));
    assert_eq!(encoded(&[1.0], ElementType::Bf16), Ok(vec![0x80, 0x3f]));
    assert_eq!(encoded(&[0.0, 255.0], ElementType::U8), Ok(vec![0, 255]));
    assert_eq!(encoded(&[0.0, 255.0], ElementType::Binary), Ok(vec![0, 255]));
    let error = encoded(&[1.5], ElementType::U8).expect_err("no byte");
    assert!(error.contains("base.npy: 1.5 does not fit into u8"), "{error}");
}

#[test]
fn cosine_vectors_get_unit_length() {
    let path = Path::new("base.npy");
    assert_eq!(unit_scale(path, &[3.0, 4.0]).expect("not zero"), 0.2);
    let error = unit_scale(path, &[0.0, 0.0]).expect_err("zero").to_string();
    assert!(error.contains("a vector is zero"), "{error}");
}

#[test]
fn held_out_rows_are_no_longer_in_the_base() {
    let path = Path::new("base.npy");
    let all = Matrix { rows: 100, dim: 1, values: (0..100_u8).map(f32::from).collect() };
    let mut base = all.clone();
    let queries = hold_out(&mut base, 10, path).expect("ten of a hundred");
    assert_eq!((queries.rows, base.rows), (10, 90));
    let mut values = [queries.values.clone(), base.values].concat();
    values.sort_by(f32::total_cmp);
    assert_eq!(values, all.values);
    assert!(!queries.values.is_sorted_by(|a, b| b - a == 1.0), "{queries:?} are no sample");
    let again = hold_out(&mut all.clone(), 10, path).expect("ten of a hundred");
    assert_eq!(queries, again);
    let error = hold_out(&mut all.clone(), 100, path).expect_err("all").to_string();
    assert!(error.contains("--hold-out 100 is not between 1 and its 100 rows less one"), "{error}");
}

#[test]
fn the_truth_is_the_nearest_rows() {
    let kind = VectorType::new(1, ElementType::U8, Metric::L2).expect("a right type");
    let vectors = |bytes: Vec<u8>| Vectors::new(kind, Bytes::from(bytes)).expect("whole rows");
    let (rows, queries) = (vectors((0..=255).collect()), vectors(vec![0, 100, 255]));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    let truth = computed_truth((&rows, None), &queries, 3, &pool);
    assert_eq!(truth, [[0.0, 1.0, 4.0], [0.0, 1.0, 1.0], [0.0, 1.0, 4.0]]);
}

#[test]
fn only_rows_that_pass_are_true_neighbours() {
    let kind = VectorType::new(1, ElementType::U8, Metric::L2).expect("a right type");
    let rows = Vectors::new(kind, Bytes::from_iter(0..=255)).expect("whole rows");
    let query = Vectors::new(kind, Bytes::from_static(&[100])).expect("a row");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    for (share, is_clumped, count) in [(0.25, false, 64), (0.25, true, 64), (1.0, false, 256)] {
        let allowed = mask(&rows, share, is_clumped);
        assert_eq!(allowed.count(), count);
        let passing = (0..256u32).filter(|row| allowed.contains(*row));
        let mut keys: Vec<_> = passing.map(|row| (row as f32 - 100.0).powi(2)).collect();
        keys.sort_by(f32::total_cmp);
        let truth = computed_truth((&rows, Some(&allowed)), &query, 3, &pool);
        assert_eq!(truth, [keys[..3].to_vec()]);
    }
    let runs = |is_clumped| {
        let allowed = mask(&rows, 0.25, is_clumped);
        (1..256).filter(|row| allowed.contains(*row) != allowed.contains(row - 1)).count()
    };
    assert!(runs(true) * 2 < runs(false), "rows of a clump are near each other");
}
