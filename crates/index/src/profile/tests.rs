//! Profiles of data that was made to have them.

use super::*;
use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use std::sync::Arc;
use vicinal_types::{Metric, SystemClock, VectorType};

const DIM: usize = 48;

fn floats(dim: usize, rows: &[Vec<f32>]) -> Vectors {
    let dim = u32::try_from(dim).expect("few");
    let kind = VectorType::new(dim, ElementType::F32, Metric::L2).expect("a right type");
    let bytes: Vec<u8> = rows.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    Vectors::new(kind, Bytes::from(bytes)).expect("whole rows")
}

fn profiled(vectors: &Vectors) -> VectorProfile {
    profile(vectors, &Cancel::never()).expect("nobody stops it")
}

/// A number of the normal distribution, nearly: Irwin and Hall's sum of twelve.
fn normal(rng: &mut SmallRng) -> f32 {
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}

fn normals(rng: &mut SmallRng, count: usize) -> Vec<f32> {
    (0..count).map(|_| normal(rng)).collect()
}

/// Rows of `inner` independent dimensions, turned into `DIM`.
fn embedded(inner: usize, count: usize) -> Vectors {
    let mut rng = SmallRng::seed_from_u64(7);
    let axes: Vec<Vec<f32>> = (0..inner).map(|_| normals(&mut rng, DIM)).collect();
    let row = |rng: &mut SmallRng| {
        let mut row = vec![0.0; DIM];
        for axis in &axes {
            let length = normal(rng);
            row.iter_mut().zip(axis).for_each(|(value, part)| *value += length * part);
        }
        row
    };
    let rows: Vec<_> = (0..count).map(|_| row(&mut rng)).collect();
    floats(DIM, &rows)
}

#[track_caller]
fn assert_near(found: f32, expected: f32, part: f32) {
    assert!((found - expected).abs() <= part * expected, "{found} is not about {expected}");
}

#[test]
fn the_intrinsic_dimension_is_that_of_what_was_embedded() {
    for (inner, tolerance) in [(1, 0.1), (2, 0.1), (5, 0.2), (10, 0.3)] {
        let profile = profiled(&embedded(inner, 6_000));
        let near = profile.neighborhood.expect("thousands of rows");
        assert_near(near.intrinsic_dim, inner as f32, tolerance);
        assert!(profile.effective_dims <= 1.15 * inner as f32, "{profile:?}");
        assert!(profile.effective_dims >= 0.5 * inner as f32, "{profile:?}");
    }
}

#[test]
fn independent_dimensions_are_seen_as_such() {
    let mut rng = SmallRng::seed_from_u64(1);
    let row = |rng: &mut SmallRng| {
        // Deviations from 1 to 4, around 10.
        let scale = |at: usize| 1.0 + 3.0 * at as f32 / (DIM - 1) as f32;
        (0..DIM).map(|at| 10.0 + scale(at) * normal(rng)).collect::<Vec<_>>()
    };
    let rows: Vec<_> = (0..5_000).map(|_| row(&mut rng)).collect();
    let profile = profiled(&floats(DIM, &rows));
    assert_eq!((profile.rows, profile.sampled), (5_000, 4_096));
    assert_eq!((profile.duplicates, profile.zeros), (0.0, 0.0));
    assert_near(profile.deviations.least, 1.0, 0.1);
    assert_near(profile.deviations.mean, 2.5, 0.05);
    assert_near(profile.deviations.greatest, 4.0, 0.1);
    // The root of the sum of squares: 100 and the variance in each dimension.
    assert_near(profile.norms.mean, (DIM as f32 * 107.0).sqrt(), 0.02);
    assert!(
        profile.norms.least < profile.norms.mean && profile.norms.mean < profile.norms.greatest
    );
    assert!(profile.correlation < 0.05, "{profile:?}");
    assert_near(profile.effective_dims, 36.0, 0.15);
    let near = profile.neighborhood.expect("thousands of rows");
    assert_near(near.clustering, 0.5, 0.05);
    assert!(near.contrast > 1.0 && near.contrast < 3.0, "{near:?}");
}

#[test]
fn dimensions_that_tell_the_same_are_seen() {
    let mut rng = SmallRng::seed_from_u64(2);
    let rows: Vec<_> = (0..2_000).map(|_| vec![normal(&mut rng); DIM]).collect();
    let profile = profiled(&floats(DIM, &rows));
    assert_near(profile.correlation, 1.0, 0.1);
    assert_near(profile.effective_dims, 1.0, 0.15);
}

#[test]
fn dense_groups_cluster_and_contrast() {
    let mut rng = SmallRng::seed_from_u64(3);
    let centers: Vec<_> = (0..20).map(|_| normals(&mut rng, DIM)).collect();
    let row = |at: usize, rng: &mut SmallRng| {
        centers[at % 20].iter().map(|value| value + 0.02 * normal(rng)).collect::<Vec<_>>()
    };
    let rows: Vec<_> = (0..4_000).map(|at| row(at, &mut rng)).collect();
    let near = profiled(&floats(DIM, &rows)).neighborhood.expect("thousands of rows");
    assert!(near.clustering > 0.9, "{near:?}");
    assert!(near.contrast > 20.0, "{near:?}");
}

#[test]
fn duplicates_and_zeros_are_counted() {
    let mut rng = SmallRng::seed_from_u64(4);
    // Every row is there twice, side by side, and every fourth number is zero.
    let row = |rng: &mut SmallRng| {
        (0..DIM).map(|at| if at % 4 == 0 { 0.0 } else { 5.0 + normal(rng) }).collect::<Vec<_>>()
    };
    let halves: Vec<_> = (0..2_000).map(|_| row(&mut rng)).collect();
    let rows: Vec<_> = halves.iter().flat_map(|row| [row.clone(), row.clone()]).collect();
    let profile = profiled(&floats(DIM, &rows));
    assert_eq!((profile.duplicates, profile.zeros), (0.5, 0.25));
    assert_eq!(profile.deviations.least, 0.0);
    assert!(profile.neighborhood.is_some_and(|near| near.contrast < 3.0), "{profile:?}");
    let one = profiled(&floats(DIM, &vec![halves[0].clone(); 500]));
    assert_eq!((one.duplicates, one.effective_dims), (499.0 / 500.0, 0.0));
    assert_eq!((one.neighborhood, one.codes), (None, None));
}

#[test]
fn codes_leave_out_what_theory_says() {
    let mut rng = SmallRng::seed_from_u64(5);
    let rows: Vec<_> = (0..2_000).map(|_| normals(&mut rng, 256)).collect();
    let codes = profiled(&floats(256, &rows)).codes.expect("floats");
    // A bit keeps 2/π of a squared length.
    assert_near(codes.rabitq1, 1.0 - 2.0 / std::f32::consts::PI, 0.05);
    // The range is some eight deviations; a level of it is off by a twelfth of its square.
    let level = |levels: f32| (8.0_f32 / levels).powi(2) / 12.0;
    assert_near(codes.sq8, level(255.0), 0.3);
    assert_near(codes.sq4, level(15.0), 0.3);
    assert!(codes.rabitq4 < codes.rabitq1 / 10.0 && codes.rabitq4 > codes.sq8, "{codes:?}");
}

#[test]
fn every_element_type_has_a_profile() {
    let (mut rng, count) = (SmallRng::seed_from_u64(6), 300);
    for (element, metric) in [
        (ElementType::F16, Metric::Cosine),
        (ElementType::Bf16, Metric::InnerProduct),
        (ElementType::I8, Metric::L2),
        (ElementType::U8, Metric::InnerProduct),
        (ElementType::Binary, Metric::Hamming),
    ] {
        let kind = VectorType::new(64, element, metric).expect("a right type");
        // Small numbers of every type.
        let random = |_| rng.random_range(0..60_u8);
        let bytes: Vec<u8> = (0..count * kind.row_bytes()).map(random).collect();
        let profile = profiled(&Vectors::new(kind, Bytes::from(bytes)).expect("whole rows"));
        assert_eq!((profile.rows, profile.sampled), (300, 300), "{element}");
        assert!(profile.neighborhood.is_some_and(|near| near.contrast >= 1.0), "{element}");
        assert_eq!(profile.codes.is_some(), element != ElementType::Binary, "{element}");
    }
}

#[test]
fn bits_are_zeros_and_ones() {
    let kind = VectorType::new(8, ElementType::Binary, Metric::Hamming).expect("a right type");
    let rows: Vec<u8> = (0..200).map(|row| if row % 2 == 0 { 0b0000_0011 } else { 0 }).collect();
    let profile = profiled(&Vectors::new(kind, Bytes::from(rows)).expect("whole rows"));
    assert_eq!(profile.zeros, 7.0 / 8.0);
    assert_eq!((profile.norms.least, profile.norms.greatest), (0.0, 2.0_f32.sqrt()));
    assert_eq!((profile.deviations.least, profile.deviations.greatest), (0.0, 0.5));
    assert_near(profile.correlation, 1.0, 0.1);
}

#[test]
fn few_rows_and_a_stop_are_no_trouble() {
    let none = profiled(&floats(4, &[]));
    assert_eq!((none.rows, none.norms, none.neighborhood), (0, Spread::default(), None));
    let few = profiled(&floats(4, &[vec![1.0, 0.0, 0.0, 2.0], vec![3.0; 4]]));
    assert_eq!((few.sampled, few.zeros, few.neighborhood), (2, 0.25, None));
    let cancel = Cancel::new(Arc::new(SystemClock), None);
    cancel.cancel();
    let stopped = profile(&embedded(3, 200), &cancel);
    assert_eq!(stopped, Err(Stopped::Cancelled));
}
