//! What every kind of index of every engine must do.

use crate::data::{Random, clustered, exact, l2, mean_recall, open, pool, recall, search, store};
use bytes::Bytes;
use vicinal_index::{Index, IndexError, IndexParams, Progress, Vectors};
use vicinal_types::{
    Bitmap, Cancel, ElementType, Error, ErrorKind, FlatCodes, ForeignGraph, GraphParams, HnswCodes,
    HnswParams, IvfCodes, IvfParams, Metric, Stopped, VectorType,
};

const ROWS: usize = 3_000;
const TYPE_DIM: u32 = 16;
const DIM: usize = TYPE_DIM as usize;
const QUERIES: usize = 20;

/// An index and the effort that must give a recall@10 of 0.9.
#[derive(Clone, Copy)]
struct Subject {
    params: IndexParams,
    effort: usize,
    /// Rows that it is tried with: codes are trained with enough of them only.
    rows: usize,
}

fn conforms(params: IndexParams, effort: usize) {
    check(Subject { params, effort, rows: ROWS });
}

#[test]
fn flat_conforms() {
    conforms(IndexParams::Flat, 1);
}

#[test]
fn flat_over_codes_conforms() {
    for codes in [FlatCodes::Sq8, FlatCodes::Rabitq] {
        conforms(IndexParams::FlatCodes(codes), 1);
    }
}

#[test]
fn lists_conform() {
    let pq = |bits| IvfCodes::Pq { bits, subvectors: 8 };
    let rabitq = IvfCodes::Rabitq { bits: 1 };
    let scann = IvfCodes::Scann { subvectors: 8 };
    for codes in [IvfCodes::None, IvfCodes::Sq8, pq(4), pq(8), rabitq, scann] {
        conforms(IndexParams::Ivf(IvfParams { lists: 20, codes, seed: 42 }), 10);
    }
}

fn graph(codes: HnswCodes) -> HnswParams {
    HnswParams { m: 12, ef_construction: 64, seed: 42, codes }
}

#[test]
fn hnsw_conforms() {
    conforms(IndexParams::Hnsw(graph(HnswCodes::None)), 128);
    for codes in [HnswCodes::Sq8, HnswCodes::Sq4, HnswCodes::Rabitq1] {
        conforms(IndexParams::Hnsw(graph(codes)), 256);
    }
}

#[test]
fn graph_in_pages_conforms() {
    conforms(IndexParams::Paged(graph(HnswCodes::Sq8)), 128);
}

#[test]
fn graph_with_codes_of_neighbours_conforms() {
    let params = GraphParams { m: 16, ef_construction: 64, seed: 42 };
    conforms(IndexParams::Graph(params), 128);
}

#[test]
fn hnsw_rs_conforms() {
    conforms(IndexParams::HnswRs(ForeignGraph { m: 12, ef_construction: 64 }), 64);
}

#[cfg(feature = "faiss")]
mod faiss {
    use super::{ROWS, Subject, check};
    use vicinal_types::{FaissIvfPq, FaissParams, ForeignGraph, IndexParams};

    fn conforms(params: FaissParams, effort: usize, rows: usize) {
        check(Subject { params: IndexParams::Faiss(params), effort, rows });
    }

    #[test]
    fn flat_conforms() {
        conforms(FaissParams::Flat, 1, ROWS);
    }

    #[test]
    fn hnsw_conforms() {
        conforms(FaissParams::Hnsw(ForeignGraph { m: 12, ef_construction: 64 }), 64, ROWS);
    }

    #[test]
    fn ivf_pq_of_4_bits_conforms() {
        conforms(FaissParams::IvfPq(FaissIvfPq { lists: 20, subvectors: 8, bits: 4 }), 10, ROWS);
    }

    #[test]
    fn ivf_pq_of_8_bits_conforms() {
        conforms(FaissParams::IvfPq(FaissIvfPq { lists: 20, subvectors: 8, bits: 8 }), 10, 10_100);
    }
}

#[cfg(not(feature = "faiss"))]
#[test]
fn a_build_without_faiss_says_how_to_get_it() {
    use vicinal_types::FaissParams;
    let vectors = store(l2(4), &clustered(10, 4, 2, 1));
    let built = try_build(IndexParams::Faiss(FaissParams::Flat), &vectors, &Cancel::never());
    // The header of a file that a build with faiss wrote.
    let header = [7u32.to_le_bytes(), 10u32.to_le_bytes()].concat();
    let opened = open(&[(vicinal_index::section::HEADER, 1, Bytes::from(header))], &vectors);
    for error in [built, opened] {
        let error = Error::from(error.expect_err("there is no faiss"));
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("`--features faiss`"), "{error}");
    }
}

/// Checks one kind of index over all that every kind must do.
fn check(subject: Subject) {
    for (element, metric) in [
        (ElementType::F32, Metric::L2),
        (ElementType::F16, Metric::Cosine),
        (ElementType::U8, Metric::L2),
        (ElementType::F32, Metric::InnerProduct),
    ] {
        let vector = VectorType::new(TYPE_DIM, element, metric).expect("a right type");
        let all = clustered(subject.rows + QUERIES, DIM, 20, 7);
        let (base, queries) = all.split_at(subject.rows * DIM);
        let (vectors, queries) = (store(vector, base), store(vector, queries));
        let index = build(subject.params, &vectors);
        assert_eq!(index.params(), subject.params);
        assert!(index.bytes() > 0 || subject.params == IndexParams::Flat);
        for index in [&index, &reopened(&index, &vectors, &queries, subject.effort)] {
            check_masks(index, &vectors, &queries, subject.effort);
            check_deletions(index, &vectors, &queries, subject.effort);
        }
    }
    check_duplicates(subject);
    check_few_rows(subject);
    check_damage(subject);
    check_cancelled(subject);
}

fn check_masks(index: &Index, vectors: &Vectors, queries: &Vectors, effort: usize) {
    let rows = vectors.len();
    let mean = mean_recall(index, vectors, queries, 10, effort, None);
    assert!(mean >= 0.9, "{} {}: recall {mean}", index.params(), vectors.vector_type().metric());
    for permille in [0, 10, 500, 1_000] {
        let mut random = Random(permille);
        let mut mask = Bitmap::new(rows as usize);
        (0..rows).filter(|_| random.below(1_000) < permille).for_each(|row| _ = mask.insert(row));
        let mean = mean_recall(index, vectors, queries, 10, effort, Some(&mask));
        assert!(mean >= 0.9, "{}, {permille} of 1000 rows: recall {mean}", index.params());
    }
    let mut one = Bitmap::new(rows as usize);
    one.insert(rows / 2);
    assert_eq!(mean_recall(index, vectors, queries, 10, effort, Some(&one)), 1.0);
}

/// What every query finds is deleted, again and again.
fn check_deletions(index: &Index, vectors: &Vectors, queries: &Vectors, effort: usize) {
    let mut live = Bitmap::full(vectors.len() as usize);
    // faiss compares ten rows for each wanted, however far its codes are off.
    let floor = if matches!(index, Index::Faiss(_)) { 0.8 } else { 0.9 };
    for round in 0..4 {
        let mean = mean_recall(index, vectors, queries, 10, effort, Some(&live));
        assert!(mean >= floor, "{}, round {round}: recall {mean}", index.params());
        for query in 0..queries.len() {
            let query = queries.row(query);
            let found = search(index, vectors, query, 10, effort, Some(&live)).neighbors;
            assert!(found.iter().all(|neighbor| live.remove(neighbor.row)));
        }
    }
}

/// The index opened from its sections answers as the built one did.
fn reopened(index: &Index, vectors: &Vectors, queries: &Vectors, effort: usize) -> Index {
    let sections = index.sections();
    let opened = open(&sections, vectors).expect("its own bytes");
    assert_eq!((opened.kind(), opened.params()), (index.kind(), index.params()));
    assert!(opened.sections() == sections, "{}: stored differently again", index.params());
    for query in 0..queries.len() {
        let ask = |index| search(index, vectors, queries.row(query), 10, effort, None);
        assert_eq!(ask(&opened), ask(index), "{}, query {query}", index.params());
    }
    opened
}

/// Many copies of few vectors: all of them can be found.
fn check_duplicates(subject: Subject) {
    let mut values = clustered(2_000, DIM, 20, 3);
    let copied = values[..3 * DIM].to_vec();
    (0..300).for_each(|_| values.extend_from_slice(&copied));
    let vectors = store(l2(TYPE_DIM), &values);
    let index = build(subject.params, &vectors);
    for query in [0, 1, 2, 1_000] {
        let query = vectors.row(query);
        for k in [10, 301, 400] {
            let found = search(&index, &vectors, query, k, subject.effort.max(k), None).neighbors;
            let recall = recall(&found, &exact(&vectors, query, k, None), None);
            assert!(recall >= 0.9, "{}: {recall} of {k} copies", subject.params);
        }
    }
    let equal = store(l2(TYPE_DIM), &copied[..DIM].repeat(500));
    let index = build(subject.params, &equal);
    let found = search(&index, &equal, equal.row(0), 500, subject.effort, None).neighbors;
    assert_eq!(found, exact(&equal, equal.row(0), 500, None), "{}", subject.params);
}

fn check_few_rows(subject: Subject) {
    for rows in [0, 1, 2, 30] {
        let vectors = store(l2(TYPE_DIM), &clustered(rows, DIM, 3, 1));
        let index = build(subject.params, &vectors);
        let opened = open(&index.sections(), &vectors).expect("its own bytes");
        let query = [0; 4 * DIM];
        for index in [&index, &opened] {
            for k in [0, 1, rows + 10] {
                let found = search(index, &vectors, &query, k, subject.effort, None).neighbors;
                let truth = exact(&vectors, &query, k, None);
                assert!(recall(&found, &truth, None) >= 0.9, "{}, k {k}", subject.params);
            }
            let nothing = Bitmap::new(rows);
            assert!(search(index, &vectors, &query, 9, 9, Some(&nothing)).neighbors.is_empty());
        }
    }
}

/// Sections of another length, another version or another segment are refused;
/// flipped bits are refused, or searches survive them.
fn check_damage(subject: Subject) {
    let vectors = store(l2(TYPE_DIM), &clustered(700, DIM, 10, 4));
    let sections = build(subject.params, &vectors).sections();
    let fewer = store(l2(TYPE_DIM), &clustered(699, DIM, 10, 4));
    assert!(open(&sections, &fewer).is_err(), "{} of other rows", subject.params);
    for at in 0..sections.len() {
        let (kind, bytes) = (sections[at].0, sections[at].2.to_vec());
        let with = |version, bytes: Vec<u8>| {
            let mut sections = sections.clone();
            sections[at] = (kind, version, Bytes::from(bytes));
            open(&sections, &vectors)
        };
        let is_refused = |opened: Result<Index, IndexError>, what: &str| {
            let error = Error::from(opened.expect_err(what));
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{}: {what}: {error}", subject.params);
        };
        is_refused(with(99, bytes.clone()), "an unknown version");
        is_refused(with(1, [&bytes[..], &[0]].concat()), "a byte too many");
        if let Some(most) = bytes.len().checked_sub(1) {
            is_refused(with(1, bytes[..most].to_vec()), "a byte too few");
            is_refused(with(1, bytes[..most / 3].to_vec()), "a third");
        }
        let mut random = Random(u64::from(kind));
        for _ in 0..if bytes.is_empty() { 0 } else { 200 } {
            let mut flipped = bytes.clone();
            let at = random.below(8 * flipped.len() as u64);
            flipped[(at / 8) as usize] ^= 1 << (at % 8);
            if let Ok(index) = with(1, flipped) {
                let found = search(&index, &vectors, vectors.row(3), 5, subject.effort, None);
                assert_eq!(found.neighbors.len(), 5, "{}", subject.params);
            }
        }
    }
}

fn check_cancelled(subject: Subject) {
    let cancel = Cancel::never();
    cancel.cancel();
    let vectors = store(l2(TYPE_DIM), &clustered(2_000, DIM, 10, 4));
    let built = try_build(subject.params, &vectors, &cancel);
    if subject.params != IndexParams::Flat {
        assert!(matches!(built, Err(IndexError::Stopped(Stopped::Cancelled))));
    }
}

fn build(params: IndexParams, vectors: &Vectors) -> Index {
    try_build(params, vectors, &Cancel::never()).expect("right parameters")
}

fn try_build(params: IndexParams, vectors: &Vectors, cancel: &Cancel) -> Result<Index, IndexError> {
    let progress = Progress::default();
    let index = Index::build(&params, vectors, &pool(2), &progress, cancel)?;
    let rows = u64::from(vectors.len());
    assert_eq!((progress.done(), progress.total()), (rows, rows));
    Ok(index)
}
