//! What only the inside can see: reachability and shape of the graph.

use super::walk::Walk;
use super::*;
use crate::{Index, IndexParams, Scratch, Search, Work};
use bytes::Bytes;
use vicinal_types::{ElementType, HnswCodes, Metric, VectorType};

/// Bytes that look random.
fn noise(count: usize, seed: u64) -> Vec<u8> {
    (0..count as u64)
        .map(|at| mix(seed.wrapping_mul(0x1_0000_0001) ^ at).to_le_bytes()[0])
        .collect()
}

fn vectors(dim: u32, bytes: Vec<u8>) -> Vectors {
    let vector = VectorType::new(dim, ElementType::U8, Metric::L2).expect("a right type");
    Vectors::new(vector, Bytes::from(bytes)).expect("whole rows")
}

fn build(vectors: &Vectors, m: u32, threads: usize) -> Hnsw {
    let params = HnswParams { m, ef_construction: 32, seed: 1, codes: HnswCodes::None };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    Hnsw::build(params, vectors, &pool, &Progress::default(), &Cancel::never())
        .expect("right parameters")
}

fn check_all_reachable(vectors: &Vectors, m: u32, threads: usize) {
    let hnsw = build(vectors, m, threads);
    let vertices = vectors.len() as usize - hnsw.duplicates.len();
    assert_eq!(repair::reachable(&hnsw), vertices, "m = {m}, {threads} threads");
}

#[test]
fn every_vertex_is_reachable() {
    let random = vectors(8, noise(8 * 3_000, 1));
    // Dense clusters far apart, and a line: both make selection drop links.
    let clusters = noise(8 * 3_000, 2).into_iter().enumerate();
    let clusters = vectors(
        8,
        clusters.map(|(at, byte)| byte % 4 + [0, 50, 100, 150, 200][at / 8 % 5]).collect(),
    );
    let line = vectors(2, (0..=255u8).flat_map(|x| (0..4).flat_map(move |y| [x, y / 3])).collect());
    for threads in [1, 4] {
        for m in [2, 3, 16] {
            check_all_reachable(&random, m, threads);
            check_all_reachable(&clusters, m, threads);
            check_all_reachable(&line, m, threads);
        }
    }
}

#[test]
fn every_vertex_of_a_graph_on_codes_is_reachable() {
    // Values so close together that many rows have the same codes.
    let fine = noise(8 * 2_000, 7).into_iter().enumerate();
    let fine: Vec<u8> = fine
        .flat_map(|(at, byte)| {
            let cluster = [0.0, 500.0, 1_000.0][at / 8 % 3];
            (cluster + f32::from(byte) / 1_000.0).to_le_bytes()
        })
        .collect();
    for metric in [Metric::L2, Metric::InnerProduct] {
        let vector = VectorType::new(8, ElementType::F32, metric).expect("a right type");
        let vectors = Vectors::new(vector, Bytes::from(fine.clone())).expect("whole rows");
        for codes in [HnswCodes::Sq8, HnswCodes::Sq4, HnswCodes::Rabitq1] {
            for (m, threads) in [(2, 1), (3, 4), (16, 2)] {
                let params = HnswParams { m, ef_construction: 32, seed: 1, codes };
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let pool = pool.expect("a pool");
                let hnsw =
                    Hnsw::build(params, &vectors, &pool, &Progress::default(), &Cancel::never());
                let hnsw = hnsw.expect("right parameters");
                assert!(hnsw.codes.is_some());
                let vertices = vectors.len() as usize - hnsw.duplicates.len();
                assert_eq!(repair::reachable(&hnsw), vertices, "{metric} {codes}, m = {m}");
            }
        }
    }
}

#[test]
fn a_thousand_copies_are_one_vertex_and_cut_nothing_off() {
    let mut bytes = noise(8 * 10_000, 3);
    for row in (5..10_000).step_by(10) {
        bytes[row * 8..][..8].copy_from_slice(&[7; 8]);
    }
    let vectors = vectors(8, bytes);
    let hnsw = build(&vectors, 8, 2);
    assert_eq!(hnsw.duplicates.len(), 999);
    assert_eq!(hnsw.duplicates.of(5).len(), 999);
    assert_eq!(repair::reachable(&hnsw), 10_000 - 999);
}

#[test]
fn lost_vertices_are_linked_without_losing_others() {
    let vectors = vectors(8, noise(8 * 500, 4));
    let mut hnsw = build(&vectors, 2, 1);
    // Every list is full and leads to the same four vertices only.
    let degree = hnsw.params.ground_degree();
    let entry = hnsw.tower.ground_entry();
    let targets: Vec<u32> = (0..4).map(|step| (entry + 1 + step) % 500).collect();
    hnsw.ground = Words::aligned(500 * degree, (0..500 * degree).map(|at| targets[at % degree]));
    assert_eq!(repair::reachable(&hnsw), 5);
    repair::connect(&mut hnsw, &vectors, &Cancel::never()).expect("not stopped");
    assert_eq!(repair::reachable(&hnsw), 500);
}

#[test]
fn layers_thin_out_by_m() {
    let hnsw = build(&vectors(4, noise(4 * 4_000, 5)), 4, 2);
    let counts: Vec<_> = hnsw.tower.layers.iter().map(|layer| layer.count).collect();
    assert!(counts.len() >= 3, "{counts:?}");
    for (layer, &count) in (1..).zip(&counts).take(3) {
        let expected = 4_000 / 4usize.pow(layer);
        assert!((expected / 2..=expected * 2).contains(&count), "layer {layer} of {counts:?}");
    }
}

#[test]
fn a_walk_with_heaps_finds_what_the_sorted_array_finds() {
    let vectors = vectors(8, noise(8 * 5_000, 6));
    let hnsw = build(&vectors, 8, 1);
    let mut scratch = WalkScratch::default();
    let cancel = Cancel::never();
    for query in noise(8 * 50, 7).chunks(8) {
        let walk =
            Walk { rows: &vectors, query, effort: 40, ahead: vectors.ahead(), cancel: &cancel };
        let (seeds, count) = hnsw.tower.descend(&walk, &mut Work::default());
        let seeds = &seeds[..count];
        let (mut beam_work, mut heaps_work) = (Work::default(), Work::default());
        scratch.begin(hnsw.rows);
        walk.beam(&hnsw.ground(), seeds, &mut scratch, &mut beam_work).expect("not stopped");
        let beam: Vec<_> = scratch.found().collect();
        scratch.begin(hnsw.rows);
        walk.heaps(&hnsw.ground(), seeds, |_| true, u64::MAX, &mut scratch, &mut heaps_work)
            .expect("not stopped");
        assert_eq!(scratch.found().collect::<Vec<_>>(), beam);
        assert_eq!(heaps_work, beam_work);
    }
}

#[test]
fn effort_for_every_row_is_answered_by_a_scan() {
    let vectors = vectors(4, noise(4 * 300, 8));
    let index = Index::Hnsw(Box::new(build(&vectors, 4, 1)));
    let search = Search::new(5, 300);
    let found =
        index.search(&vectors, vectors.row(0), &search, &mut Scratch::default(), &Cancel::never());
    assert_eq!(found.expect("not stopped").work, Work { distances: 300, ..Work::default() });
    assert_eq!(
        index.params(),
        IndexParams::Hnsw(HnswParams {
            m: 4,
            ef_construction: 32,
            seed: 1,
            codes: HnswCodes::None
        })
    );
}
