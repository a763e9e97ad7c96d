//! Few rows, wrong parameters, stopped work.

use crate::data::{build, clustered, l2, pool, search, store};
use bytes::Bytes;
use vicinal_index::{
    Calibration, HnswParams, Index, IndexError, IndexParams, Progress, Scratch, Search,
    SearchError, Vectors,
};
use vicinal_types::{
    Among, Bitmap, Cancel, Error, ErrorKind, HnswCodes, IndexKind, Stopped, limits,
};

#[test]
fn zero_one_and_two_rows_are_searched() {
    for rows in 0..3 {
        let vectors = store(l2(4), &clustered(rows, 4, 1, 1));
        let flat = Index::build(
            &IndexParams::Flat,
            &vectors,
            &pool(1),
            &Progress::default(),
            &Cancel::never(),
        );
        for index in [build(&vectors, 16, 100, 2), flat.expect("FLAT takes anything")] {
            for k in [0, 1, 10] {
                let found = search(&index, &vectors, &[0; 16], k, 10, None);
                assert_eq!(found.neighbors.len(), k.min(rows), "{rows} rows, k = {k}");
            }
            let nothing = Bitmap::new(rows);
            assert!(
                search(&index, &vectors, &[0; 16], 10, 10, Some(&nothing)).neighbors.is_empty()
            );
        }
    }
}

#[test]
fn kinds_and_sizes_are_told() {
    let vectors = store(l2(4), &clustered(1_000, 4, 3, 1));
    let index = build(&vectors, 8, 32, 1);
    assert_eq!(index.kind(), IndexKind::Hnsw);
    assert!((64_000..80_000).contains(&index.bytes()), "{}", index.bytes());
    let flat = Index::build(
        &IndexParams::Flat,
        &vectors,
        &pool(1),
        &Progress::default(),
        &Cancel::never(),
    );
    let flat = flat.expect("FLAT takes anything");
    assert_eq!((flat.kind(), flat.bytes(), flat.params()), (IndexKind::Flat, 0, IndexParams::Flat));
}

#[test]
fn wrong_parameters_are_refused_with_the_limit() {
    let vectors = store(l2(4), &clustered(10, 4, 1, 1));
    let check = |m, ef_construction, expected: &str| {
        let params =
            IndexParams::Hnsw(HnswParams { m, ef_construction, seed: 0, codes: HnswCodes::None });
        let error =
            Index::build(&params, &vectors, &pool(1), &Progress::default(), &Cancel::never());
        let error = Error::from(error.expect_err("a wrong parameter"));
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(1, 100, "m is 1, which is not between 2 and 256");
    check(257, 100, "m is 257");
    check(16, 3, "ef_construction is 3, which is not between 4 and 4096");
}

#[test]
fn bytes_that_are_not_rows_are_refused() {
    let error = Vectors::new(l2(4), Bytes::from_static(&[0; 17])).expect_err("a byte too many");
    assert_eq!(error.to_string(), "17 bytes are not whole vectors of 16 bytes each");
    let vector = vicinal_types::VectorType::new(
        8,
        vicinal_types::ElementType::Binary,
        vicinal_types::Metric::Hamming,
    );
    let bytes = Bytes::from(vec![0; limits::SEGMENT_ROWS_MAX + 1]);
    let error = Vectors::new(vector.expect("a right type"), bytes).expect_err("a row too many");
    assert!(error.to_string().contains("16777217 rows are more than the 16777216"), "{error}");
}

#[test]
fn cancelled_work_stops() {
    let vectors = store(l2(8), &clustered(3_000, 8, 5, 1));
    let index = build(&vectors, 8, 32, 2);
    let cancel = Cancel::never();
    cancel.cancel();
    for threads in [1, 3] {
        let params = IndexParams::Hnsw(HnswParams {
            m: 8,
            ef_construction: 32,
            seed: 0,
            codes: HnswCodes::None,
        });
        let built = Index::build(&params, &vectors, &pool(threads), &Progress::default(), &cancel);
        assert!(matches!(built, Err(IndexError::Stopped(Stopped::Cancelled))));
    }
    let search = Search::new(10, 200);
    let found = index.search(&vectors, vectors.row(0), &search, &mut Scratch::default(), &cancel);
    assert!(matches!(found, Err(SearchError::Stopped(Stopped::Cancelled))));
    let wish = Calibration { k: 10, among: Among::All, queries: 10 };
    let points = vicinal_index::calibrate(&index, &vectors, &pool(1), &[wish], 0, &cancel);
    assert!(matches!(points, Err(SearchError::Stopped(Stopped::Cancelled))));
}

#[test]
fn one_scratch_serves_indexes_of_all_sizes() {
    let mut scratch = Scratch::default();
    for rows in [2_000, 10, 4_000, 0, 300] {
        let vectors = store(l2(8), &clustered(rows, 8, 5, 1));
        let index = build(&vectors, 8, 32, 2);
        let query = [0; 32];
        let own = search(&index, &vectors, &query, 7, 20, None);
        let asked = Search::new(7, 20);
        let shared = index.search(&vectors, &query, &asked, &mut scratch, &Cancel::never());
        assert_eq!(shared.expect("not stopped"), own);
    }
}
