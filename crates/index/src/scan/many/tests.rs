//! Several queries at once against the queries one by one.

use super::*;
use crate::Neighbor;
use bytes::Bytes;
use half::{bf16, f16};
use proptest::prelude::*;
use vicinal_types::VectorType;

const DIM: u32 = 19;

/// Rows between two chunks of a segment, so that these begin within words.
const GAP: u32 = 37;

fn element_bytes(element: ElementType, values: &[f32]) -> Vec<u8> {
    let byte = |value: &f32| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some byte")]
        let byte = (value * 30.0 + 128.0) as u8;
        byte
    };
    match element {
        ElementType::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ElementType::F16 => {
            values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect()
        }
        ElementType::Bf16 => {
            values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect()
        }
        ElementType::I8 | ElementType::U8 => values.iter().map(byte).collect(),
        ElementType::Binary => {
            let rows = values.chunks_exact(DIM as usize);
            rows.flat_map(|row| row.iter().take(DIM.div_ceil(8) as usize).map(byte)).collect()
        }
    }
}

/// Values with much rounding: sums of the two orders differ.
fn values(rows: u32, seed: u64) -> Vec<f32> {
    let mut state = seed | 1;
    let value = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % 60_001) as f32 / 10_000.0 - 3.0
    };
    std::iter::repeat_with(value).take(rows as usize * DIM as usize).collect()
}

fn vectors(kind: VectorType, values: &[f32]) -> Vectors {
    Vectors::new(kind, Bytes::from(element_bytes(kind.element(), values))).expect("whole rows")
}

/// What the queries find together and one by one in two chunks of a segment, and
/// what that takes.
fn check(chunks: &[Vectors; 2], queries: &[u8], k: usize, allowed: Option<&Bitmap>) {
    let kind = chunks[0].vector_type();
    let never = Cancel::never();
    let placed = || chunks.iter().zip([GAP, 2 * GAP + chunks[0].len()]);
    let mut tops = vec![TopK::new(k); queries.len() / kind.row_bytes()];
    let mut work = Work::default();
    for (chunk, first) in placed() {
        scan_many(chunk, queries, allowed, first, &mut tops, &mut work, &never).expect("no end");
    }
    let found: Vec<Vec<Neighbor>> = tops.into_iter().map(TopK::into_sorted).collect();
    for (query, found) in queries.chunks_exact(kind.row_bytes()).zip(&found) {
        let (mut top, mut one) = (TopK::new(k), Work::default());
        for (chunk, first) in placed() {
            scan(chunk, query, allowed, first, &mut top, &mut one, &never).expect("no end");
        }
        let bits = |found: &[Neighbor]| {
            found.iter().map(|found| (found.row, found.key.to_bits())).collect::<Vec<_>>()
        };
        assert_eq!(bits(found), bits(&top.into_sorted()), "{kind:?}");
        assert!(work.distances >= one.distances, "{work:?} {one:?}");
    }
}

const KINDS: [(ElementType, Metric); 14] = [
    (ElementType::F32, Metric::L2),
    (ElementType::F32, Metric::Cosine),
    (ElementType::F32, Metric::InnerProduct),
    (ElementType::F16, Metric::L2),
    (ElementType::F16, Metric::Cosine),
    (ElementType::F16, Metric::InnerProduct),
    (ElementType::Bf16, Metric::L2),
    (ElementType::Bf16, Metric::InnerProduct),
    (ElementType::I8, Metric::L2),
    (ElementType::I8, Metric::InnerProduct),
    (ElementType::U8, Metric::L2),
    (ElementType::U8, Metric::InnerProduct),
    (ElementType::Binary, Metric::Hamming),
    (ElementType::Binary, Metric::Jaccard),
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn queries_together_find_what_they_find_alone(
        seed in any::<u64>(),
        (rows, more_rows, queries) in (0u32..1_200, 0u32..300, 0u32..90),
        (k, density) in (1usize..30, 0u64..6),
        at in 0..KINDS.len(),
    ) {
        let (element, metric) = KINDS[at];
        // Of bits, whole bytes.
        let dim = if element == ElementType::Binary { 8 * DIM.div_ceil(8) } else { DIM };
        let kind = VectorType::new(dim, element, metric).expect("a right type");
        let chunks = [vectors(kind, &values(rows, seed)), vectors(kind, &values(more_rows, !seed))];
        let queries = element_bytes(element, &values(queries, seed.rotate_left(7)));
        let len = 2 * GAP + rows + more_rows + 1;
        let mut allowed = Bitmap::new(len as usize);
        let is_in = |row: &u32| crate::hnsw::mix(seed ^ u64::from(*row)) % 5 < density;
        (0..len).filter(is_in).for_each(|row| _ = allowed.insert(row));
        check(&chunks, &queries, k, (density < 5).then_some(&allowed));
    }

    /// Copies and near copies: keys are equal, or but for the last bits.
    #[test]
    fn near_ties_are_ranked_as_alone(seed in any::<u64>(), at in 0usize..8, k in 1usize..30) {
        let (element, metric) = KINDS[at];
        let kind = VectorType::new(DIM, element, metric).expect("a right type");
        let row = values(1, seed);
        let near = |at: usize| {
            let move_by = |(dim, value): (usize, &f32)| {
                let dims = DIM as usize;
                value + if dim == at % dims { (at / dims % 3) as f32 * 1e-6 } else { 0.0 }
            };
            row.iter().enumerate().map(move_by).collect::<Vec<_>>()
        };
        let rows: Vec<f32> = (0..400).flat_map(near).collect();
        let chunks = [vectors(kind, &rows), vectors(kind, &[])];
        check(&chunks, &element_bytes(element, &values(8, !seed)), k, None);
    }
}

#[test]
fn keys_that_overflow_are_ranked_as_alone() {
    let kind = VectorType::new(DIM, ElementType::F32, Metric::InnerProduct);
    let kind = kind.expect("a right type");
    let mut rows = values(100, 7);
    for (at, value) in rows.iter_mut().enumerate().filter(|(at, _)| at % 11 == 0) {
        *value = if at % 2 == 0 { f32::MAX } else { f32::MIN };
    }
    let chunks = [vectors(kind, &rows), vectors(kind, &values(20, 8))];
    check(&chunks, &element_bytes(ElementType::F32, &values(6, 9)), 40, None);
}

#[test]
fn a_cancelled_scan_of_many_stops() {
    let kind = VectorType::new(DIM, ElementType::F32, Metric::L2).expect("a right type");
    let rows = vectors(kind, &values(10, 1));
    let mut tops = vec![TopK::new(1); 5];
    let queries = element_bytes(ElementType::F32, &values(5, 2));
    let cancel = Cancel::never();
    cancel.cancel();
    let mut work = Work::default();
    let stopped = scan_many(&rows, &queries, None, 0, &mut tops, &mut work, &cancel);
    assert_eq!((stopped, work), (Err(Stopped::Cancelled), Work::default()));
}
