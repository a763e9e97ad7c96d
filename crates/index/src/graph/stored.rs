//! How vectors stand in records: as the rows do, but for binary32, of which
//! half the bits are kept. The nearest are compared again by their rows then.

use crate::Vectors;
use crate::quantise::floats;
use half::{bf16, f16};
use rayon::prelude::*;
use vicinal_types::{ElementType, Metric, VectorType};

/// Between these, the largest value of all rows leaves binary16 enough range on
/// either side: above it overflows, below it loses its precision.
const F16_LARGEST: std::ops::Range<f32> = 0.01..60_000.0;

const F16_MAX: f32 = f16::MAX.to_f32_const();

/// The type of the vectors in records.
pub(super) fn choose(vectors: &Vectors) -> VectorType {
    let kind = vectors.vector_type();
    if kind.element() != ElementType::F32 {
        return kind;
    }
    let largest = (0..vectors.len()).into_par_iter().fold(
        || (vec![0.0; kind.dim()], 0.0_f32),
        |(mut values, largest), row| {
            floats::decode(kind.element(), vectors.row(row), &mut values);
            let all = values.iter().fold(largest, |largest, value| largest.max(value.abs()));
            (values, all)
        },
    );
    let largest = largest.map(|(_, largest)| largest).reduce(|| 0.0, f32::max);
    let fits = F16_LARGEST.contains(&largest);
    with_element(kind, if fits { ElementType::F16 } else { ElementType::Bf16 })
}

/// The same vectors with other elements.
pub(super) fn with_element(kind: VectorType, element: ElementType) -> VectorType {
    #[expect(clippy::cast_possible_truncation, reason = "a dimension is at most DIM_MAX")]
    let dim = kind.dim() as u32;
    VectorType::new(dim, element, kind.metric()).expect("halves go with what floats go with")
}

/// The same vectors, compared by another metric.
pub(super) fn with_metric(kind: VectorType, metric: Metric) -> VectorType {
    #[expect(clippy::cast_possible_truncation, reason = "a dimension is at most DIM_MAX")]
    let dim = kind.dim() as u32;
    VectorType::new(dim, kind.element(), metric).expect("all numbers have L2")
}

/// Writes a row as it stands in records; what is beyond binary16 becomes its largest.
pub(super) fn convert(kind: VectorType, row: &[u8], stored: VectorType, out: &mut [u8]) {
    let values = || row.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let places = out.as_chunks_mut::<2>().0;
    match stored.element() {
        element if element == kind.element() => out.copy_from_slice(row),
        ElementType::F16 => {
            for (place, value) in places.iter_mut().zip(values()) {
                let value = value.clamp(-F16_MAX, F16_MAX);
                *place = f16::from_f32(value).to_le_bytes();
            }
        }
        ElementType::F32
        | ElementType::Bf16
        | ElementType::I8
        | ElementType::U8
        | ElementType::Binary => {
            for (place, value) in places.iter_mut().zip(values()) {
                *place = bf16::from_f32(value).to_le_bytes();
            }
        }
    }
}
