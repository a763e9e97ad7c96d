//! Random stored vectors, and what the definition says of them.

use half::{bf16, f16};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use vicinal_distance::{Comparer, Isa, Kernels, available};
use vicinal_gpu::Element;
use vicinal_types::{ElementType, Metric, VectorType};

/// Stored vectors as a device has them: zeros behind each, to 32 bytes.
pub(crate) struct Stored {
    pub(crate) kind: VectorType,
    pub(crate) bytes: Vec<u8>,
    pub(crate) count: u32,
}

/// The element types, with what the sources call them.
pub(crate) const ELEMENTS: [(ElementType, Element); 5] = [
    (ElementType::F32, Element::F32),
    (ElementType::F16, Element::F16),
    (ElementType::Bf16, Element::Bf16),
    (ElementType::I8, Element::I8),
    (ElementType::U8, Element::U8),
];

pub(crate) fn rng(seed: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed)
}

fn push(element: ElementType, bytes: &mut Vec<u8>, rng: &mut SmallRng) {
    let float: f32 = rng.random_range(-1.0..1.0);
    match element {
        ElementType::F32 => bytes.extend(float.to_le_bytes()),
        ElementType::F16 => bytes.extend(f16::from_f32(float).to_le_bytes()),
        ElementType::Bf16 => bytes.extend(bf16::from_f32(float).to_le_bytes()),
        ElementType::I8 | ElementType::U8 | ElementType::Binary => bytes.push(rng.random()),
    }
}

impl Stored {
    pub(crate) fn random(kind: VectorType, count: u32, rng: &mut SmallRng) -> Self {
        let mut bytes = Vec::new();
        for _ in 0..count * kind.dim() as u32 {
            push(kind.element(), &mut bytes, rng);
        }
        Self { kind, bytes, count }
    }

    pub(crate) fn row(&self, row: u32) -> &[u8] {
        &self.bytes[row as usize * self.kind.row_bytes()..][..self.kind.row_bytes()]
    }

    pub(crate) fn words(&self) -> u32 {
        self.kind.row_bytes().next_multiple_of(32) as u32 / 4
    }

    /// In words, as kernels read it.
    pub(crate) fn padded(&self) -> Vec<u32> {
        let mut words = Vec::new();
        for row in 0..self.count {
            let mut bytes = self.row(row).to_vec();
            bytes.resize(self.words() as usize * 4, 0);
            let chunks = bytes.as_chunks::<4>().0;
            words.extend(chunks.iter().map(|word| u32::from_le_bytes(*word)));
        }
        words
    }
}

/// The definition.
pub(crate) fn comparer(kind: VectorType) -> Comparer {
    let scalar: Option<&'static Kernels> = available().find(|table| table.isa() == Isa::Scalar);
    Comparer::new(kind, scalar.expect("the scalar table runs everywhere"))
}

/// How far a key may be from the definition's: sums of so many floats in other orders,
/// and for tiles of floats what is cut off and what lengths cancel.
pub(crate) fn tolerance(kind: VectorType, is_tiles: bool) -> f32 {
    let is_integer = matches!(kind.element(), ElementType::I8 | ElementType::U8);
    if is_integer {
        return 0.0;
    }
    let largest = kind.dim() as f32 * if kind.metric() == Metric::L2 { 4.0 } else { 1.0 };
    let part = if is_tiles && kind.element() == ElementType::F32 { 0.004 } else { 1e-6 };
    largest * part
}
