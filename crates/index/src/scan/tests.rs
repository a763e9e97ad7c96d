//! The scan against sorting everything.

use super::*;
use crate::Neighbor;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use vicinal_types::{ElementType, Metric, VectorType};

fn vectors(bytes: &[u8]) -> Vectors {
    let vector = VectorType::new(2, ElementType::U8, Metric::L2).expect("a right type");
    Vectors::new(vector, Bytes::copy_from_slice(bytes)).expect("whole rows")
}

fn sorted(
    vectors: &Vectors,
    query: &[u8],
    allowed: &Bitmap,
    base_row: u32,
    k: usize,
) -> Vec<Neighbor> {
    let rows = (0..vectors.len()).filter(|row| allowed.contains(base_row + row));
    let mut all: Vec<_> =
        rows.map(|row| Neighbor { row: base_row + row, key: vectors.key(query, row) }).collect();
    all.sort_by(|a, b| a.key.total_cmp(&b.key).then(a.row.cmp(&b.row)));
    all.truncate(k);
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_nearest_allowed_rows_are_found_in_order(
        mut bytes in vec(0u8..8, 0..600),
        masked in vec(any::<u64>(), 8),
        density in 0u32..4,
        base_row in 0u32..150,
        k in 0usize..20,
    ) {
        bytes.truncate(bytes.len() / 2 * 2);
        let vectors = vectors(&bytes);
        let mut allowed = Bitmap::new((base_row + vectors.len()) as usize + 5);
        for row in base_row..base_row + vectors.len() {
            let bit = masked[row as usize / 64 % 8] >> (row % 64) & 1 == 1;
            if density == 3 || bit && density > 0 || row % 61 == 0 {
                allowed.insert(row);
            }
        }
        let (mut top, mut work) = (TopK::new(k), Work::default());
        scan(&vectors, &[3, 4], Some(&allowed), base_row, &mut top, &mut work, &Cancel::never())?;
        prop_assert_eq!(top.into_sorted(), sorted(&vectors, &[3, 4], &allowed, base_row, k));
        prop_assert!((allowed.count() as u64..=u64::from(vectors.len())).contains(&work.distances));

        let all = Bitmap::full(allowed.len());
        let mut top = TopK::new(k);
        scan(&vectors, &[3, 4], None, base_row, &mut top, &mut work, &Cancel::never())?;
        prop_assert_eq!(top.into_sorted(), sorted(&vectors, &[3, 4], &all, base_row, k));
    }
}

#[test]
fn chunks_of_a_segment_share_one_list() {
    let (first, second) = (vectors(&[9, 9, 1, 1]), vectors(&[1, 1, 5, 5]));
    let (mut top, mut work) = (TopK::new(2), Work::default());
    for (chunk, base_row) in [(&first, 0), (&second, 2)] {
        scan(chunk, &[1, 1], None, base_row, &mut top, &mut work, &Cancel::never())
            .expect("not stopped");
    }
    let rows: Vec<_> = top.into_sorted().iter().map(|neighbor| neighbor.row).collect();
    assert_eq!(rows, [1, 2]);
}

#[test]
fn a_cancelled_scan_stops() {
    let cancel = Cancel::never();
    cancel.cancel();
    let rows = vectors(&[0; 2_000]);
    let (mut top, mut work) = (TopK::new(1), Work::default());
    let stopped = scan(&rows, &[0, 0], None, 0, &mut top, &mut work, &cancel);
    assert_eq!(stopped, Err(Stopped::Cancelled));
    let mask = Bitmap::full(1_000);
    let stopped = scan(&rows, &[0, 0], Some(&mask), 0, &mut top, &mut work, &cancel);
    assert_eq!(stopped, Err(Stopped::Cancelled));
}
