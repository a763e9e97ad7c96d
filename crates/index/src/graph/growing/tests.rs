//! What a walk relies on: everything can be reached, and what is read stays as it is.

use super::*;
use crate::graph::walk::Records as _;
use bytes::Bytes;
use proptest::prelude::*;
use vicinal_types::{Metric, VectorType};

fn rows(dim: u32, values: &[f32]) -> Vectors {
    let kind = VectorType::new(dim, ElementType::F32, Metric::L2).expect("a right type");
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Vectors::new(kind, Bytes::from(bytes)).expect("whole rows")
}

/// The vertices and copies that can be reached from the root.
fn reached(graph: &GrowingRecords) -> usize {
    let mut seen = Bitmap::new(graph.capacity() as usize);
    let (reading, layout) = (graph.slots.read(), &graph.frame.layout);
    let mut open = vec![0];
    seen.insert(0);
    let mut copies = 0;
    while let Some(vertex) = open.pop() {
        copies += graph.chained(vertex).count();
        for block in 0..layout.degree / LANES {
            let block = layout.block(reading.record(vertex), block);
            for lane in (0..LANES).filter(|&lane| block.adds[lane] < f32::INFINITY) {
                if seen.insert(block.ids[lane]) {
                    open.push(block.ids[lane]);
                }
            }
        }
    }
    seen.count() + copies
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Rows far from all others lose every link to them but the one that must stay.
    #[test]
    fn every_row_can_be_reached_at_any_moment(
        m in 2u32..20,
        values in 2_u64..4_000,
        dim in 1u32..4,
        count in 1u32..900,
        seed in any::<u64>(),
    ) {
        let number = |at: u32| crate::hnsw::mix(seed.wrapping_add(u64::from(at)));
        let value = |at: u32| (number(at) % values) as f32 + 1e4 * (number(!at) % 7) as f32;
        let numbers: Vec<f32> = (0..count * dim).map(value).collect();
        let vectors = rows(dim, &numbers);
        let params = GraphParams { m, ef_construction: 8, seed };
        let graph = GrowingRecords::new(params, &vectors, count).expect("right parameters");
        for inserted in 1..=count {
            graph.insert_next(|row| vectors.row(row)).expect("there is memory");
            if inserted % 97 == 0 || inserted == count {
                prop_assert_eq!(reached(&graph), inserted as usize);
            }
        }
    }
}

#[test]
fn a_vertex_with_too_many_links_loses_none_that_others_need() {
    // A star: nobody but the centre is near a point, and each that comes is nearer than
    // those before it, or as near.
    const DIM: u32 = 128;
    for nearer in [0.5, 0.0] {
        let value = |at: u32| {
            let (row, at) = (at / DIM, at % DIM);
            if row == at + 1 { 200.0 - nearer * row as f32 } else { 0.0 }
        };
        let numbers: Vec<f32> = (0..(DIM + 1) * DIM).map(value).collect();
        let vectors = rows(DIM, &numbers);
        let params = GraphParams { m: 16, ef_construction: 8, seed: 1 };
        let graph = GrowingRecords::new(params, &vectors, DIM + 1).expect("right parameters");
        for inserted in 1..=DIM + 1 {
            graph.insert_next(|row| vectors.row(row)).expect("there is memory");
            assert_eq!(reached(&graph), inserted as usize, "{nearer}");
        }
    }
}

#[test]
fn what_is_read_stays_until_the_reader_leaves() {
    let slots = Slots::new(64, 3);
    let mut writer = slots::Writer::default();
    let mut put = |place, byte| {
        slots.replace(&mut writer, place, |_, record| record.fill(byte)).expect("there is memory");
        slots.reclaim(&mut writer);
    };
    put(0, 1);
    let first = slots.read();
    let (old, none) = (first.record(0), first.get(1));
    assert!(none.is_none());
    (2..100).for_each(|byte| put(0, byte));
    let second = slots.read();
    let newer = second.record(0);
    (100..200).for_each(|byte| put(0, byte));
    assert_eq!((old, newer), (&[1; 64][..], &[99; 64][..]));
    drop(second);
    (200..250).for_each(|byte| put(0, byte));
    assert_eq!(old, [1; 64]);
    assert_eq!(slots.read().record(0), [249; 64]);
}

#[test]
fn slots_are_written_again_when_nobody_reads_them() {
    let slots = Slots::new(64, 1);
    let mut writer = slots::Writer::default();
    let mut put = |times: usize| {
        for _ in 0..times {
            slots.replace(&mut writer, 0, |_, record| record.fill(7)).expect("there is memory");
            slots.reclaim(&mut writer);
        }
        (slots.written_bytes(&writer), slots.is_held_up(&writer))
    };
    assert!(put(1_000).0 <= 4 * 64);
    let reading = slots.read();
    assert!(put(1_000).0 >= 900 * 64);
    assert!(put(10_000).1, "the reader holds too many");
    drop(reading);
    assert_eq!(put(10), (put(100_000).0, false), "those it held are enough");
}
