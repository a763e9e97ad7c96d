//! Floors of recall@10 on real data.
//!
//! A slice of WordNet is part of the tree and always searched. Larger sets are
//! searched where they are: in the folder that `VICINAL_DATASETS` names, or in
//! `data/`; what is not there is skipped, and standard error says so.

mod data;

use data::{Set, recall};
use std::path::PathBuf;
use vicinal_index::{Index, IndexParams, Progress};
use vicinal_types::{
    Cancel, FlatCodes, ForeignGraph, GraphParams, HnswCodes, HnswParams, IvfCodes, IvfParams,
};

const INLINED: IndexParams =
    IndexParams::Graph(GraphParams { m: 16, ef_construction: 128, seed: 1 });

fn layered(codes: HnswCodes) -> HnswParams {
    HnswParams { m: 16, ef_construction: 128, seed: 1, codes }
}

fn hnsw(codes: HnswCodes) -> IndexParams {
    IndexParams::Hnsw(layered(codes))
}

fn lists(lists: u32, codes: IvfCodes) -> IndexParams {
    IndexParams::Ivf(IvfParams { lists, codes, seed: 1 })
}

/// Builds an index on two threads and compares with floors by effort.
fn check(set: &Set, params: IndexParams, floors: &[(usize, f64)]) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("two threads");
    let never = Cancel::never();
    let index = Index::build(&params, &set.rows, &pool, &Progress::default(), &never);
    let index = index.expect("right parameters");
    for (effort, floor) in floors {
        for (kind, queries) in &set.queries {
            let found = recall(&index, &set.rows, queries, *effort);
            let (name, say) = (set.name, format!("{params}, effort {effort}: recall {found:.4}"));
            assert!(found >= *floor, "{name}, {kind} queries, {say}, at least {floor}");
        }
    }
}

#[test]
fn every_kind_finds_words_of_the_slice_in_the_tree() {
    let set = data::slice_in_the_tree();
    check(&set, IndexParams::Flat, &[(1, 1.0)]);
    for codes in [FlatCodes::Sq8, FlatCodes::Rabitq] {
        check(&set, IndexParams::FlatCodes(codes), &[(1, 0.999)]);
    }
    check(&set, INLINED, &[(16, 0.90), (64, 0.985)]);
    check(&set, hnsw(HnswCodes::None), &[(16, 0.90), (64, 0.985)]);
    check(&set, hnsw(HnswCodes::Sq8), &[(16, 0.90), (64, 0.985)]);
    check(&set, hnsw(HnswCodes::Sq4), &[(16, 0.85), (64, 0.975)]);
    check(&set, hnsw(HnswCodes::Rabitq1), &[(16, 0.85), (64, 0.96)]);
    check(&set, IndexParams::Paged(layered(HnswCodes::Sq8)), &[(16, 0.90), (64, 0.985)]);
    let graph = ForeignGraph { m: 16, ef_construction: 128 };
    check(&set, IndexParams::HnswRs(graph), &[(16, 0.85), (64, 0.97)]);
}

#[test]
fn every_kind_of_lists_finds_words_of_the_slice_in_the_tree() {
    let set = data::slice_in_the_tree();
    for codes in [
        IvfCodes::None,
        IvfCodes::Sq8,
        IvfCodes::Pq { bits: 4, subvectors: 0 },
        IvfCodes::Pq { bits: 8, subvectors: 0 },
        IvfCodes::Rabitq { bits: 1 },
        IvfCodes::Rabitq { bits: 4 },
        IvfCodes::Scann { subvectors: 0 },
    ] {
        check(&set, lists(100, codes), &[(8, 0.80), (32, 0.95)]);
    }
}

/// 100,000 rows of 384 dimensions, queries in and out of their distribution.
#[test]
fn wordnet384_is_found_in_and_out_of_distribution() {
    let Some(set) = folder().and_then(|folder| data::wordnet384(&folder)) else { return };
    check(&set, INLINED, &[(64, 0.80), (320, 0.93)]);
    check(&set, hnsw(HnswCodes::Sq8), &[(64, 0.80), (320, 0.93)]);
    check(&set, lists(400, IvfCodes::Rabitq { bits: 1 }), &[(32, 0.80), (128, 0.93)]);
}

/// The first 100,000 rows of sift1m, as 8-bit integers of 128 dimensions.
#[test]
fn a_slice_of_sift1m_is_found() {
    let Some(set) = folder().and_then(|folder| data::sift100k(&folder)) else { return };
    check(&set, INLINED, &[(32, 0.93), (128, 0.99)]);
    check(&set, hnsw(HnswCodes::None), &[(32, 0.90), (128, 0.985)]);
    check(&set, lists(400, IvfCodes::Pq { bits: 4, subvectors: 0 }), &[(16, 0.90), (64, 0.97)]);
}

/// Where the larger sets are.
fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("VICINAL_DATASETS").map(PathBuf::from);
    let folder = given
        .unwrap_or_else(|| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data"));
    if folder.is_dir() {
        return Some(folder);
    }
    data::say("skipped: recall on large sets; VICINAL_DATASETS names no folder with them");
    None
}
