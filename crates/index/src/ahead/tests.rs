//! Distances change how long a search takes, nothing else.

use super::*;
use crate::{IndexParams, Progress};
use bytes::Bytes;
use std::time::Instant;
use vicinal_types::{
    ElementType, GraphParams, HnswCodes, HnswParams, Metric, TestClock, VectorType,
};

const DIM: u32 = 16;
const ROWS: u32 = 2_000;

fn vectors() -> Vectors {
    let vector = VectorType::new(DIM, ElementType::U8, Metric::L2).expect("a right type");
    let bytes: Vec<u8> =
        (0..u64::from(ROWS * DIM)).map(|at| u8::try_from(mix(at) % 256).expect("a byte")).collect();
    Vectors::new(vector, Bytes::from(bytes)).expect("whole rows")
}

fn walked(vectors: &Vectors) -> [Index; 3] {
    let hnsw = |codes| IndexParams::Hnsw(HnswParams { m: 8, ef_construction: 40, seed: 1, codes });
    let graph = IndexParams::Graph(GraphParams { m: 16, ef_construction: 40, seed: 1 });
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    [hnsw(HnswCodes::None), hnsw(HnswCodes::Sq4), graph].map(|params| {
        Index::build(&params, vectors, &pool, &Progress::default(), &Cancel::never())
            .expect("right parameters")
    })
}

#[test]
fn a_distance_changes_neither_rows_nor_work() {
    let vectors = vectors();
    for mut index in walked(&vectors) {
        let mut scratch = Scratch::default();
        let mut search_all = |index: &Index| -> Vec<_> {
            let search = Search::new(10, 40);
            let queries = (0..ROWS).step_by(97).map(|row| vectors.row(row));
            let never = Cancel::never();
            queries
                .map(|query| index.search(&vectors, query, &search, &mut scratch, &never))
                .map(|found| found.expect("nothing stops it"))
                .collect()
        };
        let before = search_all(&index);
        let default = index.ahead(&vectors).expect("it is walked");
        assert!(!default.is_measured);
        for count in [1, 2, 5, 64, 1_000] {
            index.set_ahead(Some(count));
            let ahead = index.ahead(&vectors).expect("it is walked");
            assert_eq!(ahead, Ahead { count, is_measured: true, ..default });
            assert_eq!(search_all(&index), before, "{ahead}");
        }
    }
}

#[test]
fn the_fastest_distance_is_chosen_if_it_is_clearly_faster() {
    let options = [4, 2, 8];
    let check = |second, third, expected| {
        assert_eq!(choose(&options, &[[10.0, 12.0], second, third]), expected);
    };
    check([10.0, 12.0], [10.0, 12.0], None);
    check([9.8, 11.8], [11.0, 13.0], None);
    check([9.0, 12.0], [11.0, 13.0], None);
    check([9.0, 11.0], [11.0, 13.0], Some(2));
    check([9.0, 11.0], [8.0, 11.0], Some(8));
    check([f64::INFINITY; 2], [f64::INFINITY; 2], None);
    assert_eq!(choose(&options, &[[f64::INFINITY; 2]; 3]), None);
}

#[test]
fn time_is_that_of_the_clock_and_has_an_end() {
    let vectors = vectors();
    for mut index in walked(&vectors) {
        let before = index.ahead(&vectors);
        index.measure_ahead(&vectors, &TestClock::default());
        assert_eq!(index.ahead(&vectors), before, "too small to be measured");
        assert_eq!(index.time(&vectors, &[3, 9], &TestClock::default()), [[0.0; 2]; 2]);
        let slow = SlowClock(TestClock::default());
        assert_eq!(index.time(&vectors, &[3, 9], &slow), [[f64::INFINITY; 2]; 2]);
    }
}

/// A clock under which everything takes a millisecond.
struct SlowClock(TestClock);

impl Clock for SlowClock {
    fn now(&self) -> Instant {
        self.0.advance(Duration::from_millis(1));
        self.0.now()
    }

    fn unix_micros(&self) -> u64 {
        self.0.unix_micros()
    }
}
