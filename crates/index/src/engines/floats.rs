//! Stored rows as the 32-bit floats that engines take.

use crate::{IndexError, Vectors};
use half::{bf16, f16};
use rayon::prelude::*;
use vicinal_types::{ElementType, Metric, VectorType};

/// How rows and queries become floats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floats {
    vector: VectorType,
    /// See [`Floats::euclidean`]; none where rows are taken as they are.
    longest: Option<f64>,
}

impl Floats {
    /// Rows as they are.
    ///
    /// # Errors
    /// [`IndexError::EngineRefuses`] for binary vectors.
    pub(super) fn plain(engine: &'static str, vectors: &Vectors) -> Result<Self, IndexError> {
        let vector = vectors.vector_type();
        if vector.element() == ElementType::Binary {
            let what = "binary vectors".to_owned();
            let way_out = "declare the index with the engine native";
            return Err(IndexError::EngineRefuses { engine, what, way_out });
        }
        Ok(Self { vector, longest: None })
    }

    /// Rows among which a smaller Euclidean distance means a nearer row, whatever
    /// the metric. Runs on the pool it is called in.
    ///
    /// For the inner product, rows get one element more that makes them all as
    /// long as the longest, and queries a zero there (Neyshabur and Srebro, 2015):
    /// then |q − x|² = |q|² + longest² − 2 q·x. Rows compared by cosine all have
    /// the length 1.
    ///
    /// # Errors
    /// [`IndexError::EngineRefuses`] for binary vectors.
    pub(super) fn euclidean(engine: &'static str, vectors: &Vectors) -> Result<Self, IndexError> {
        let mut floats = Self::plain(engine, vectors)?;
        if floats.vector.metric() == Metric::InnerProduct {
            let lengths = (0..vectors.len()).into_par_iter().map_init(Vec::new, |values, row| {
                floats.plain_row(vectors.row(row), values);
                squared_length(values)
            });
            floats.longest = Some(lengths.reduce(|| 0.0, f64::max));
        }
        Ok(floats)
    }

    /// How rows are compared.
    #[cfg(feature = "faiss")]
    pub(super) fn metric(&self) -> Metric {
        self.vector.metric()
    }

    /// Elements of a row.
    pub(super) fn dim(&self) -> usize {
        self.vector.dim() + usize::from(self.longest.is_some())
    }

    /// Writes the floats of a stored row over `values`.
    pub(super) fn row(&self, stored: &[u8], values: &mut Vec<f32>) {
        self.plain_row(stored, values);
        if let Some(longest) = self.longest {
            let missing = (longest - squared_length(values)).max(0.0).sqrt();
            // An infinite element would give distances without an order.
            #[expect(clippy::cast_possible_truncation, reason = "clamped to what an f32 holds")]
            values.push(missing.min(f32::MAX.into()) as f32);
        }
    }

    /// Writes the floats of a query over `values`.
    pub(super) fn query(&self, stored: &[u8], values: &mut Vec<f32>) {
        self.plain_row(stored, values);
        values.resize(self.dim(), 0.0);
    }

    fn plain_row(&self, stored: &[u8], values: &mut Vec<f32>) {
        values.clear();
        match self.vector.element() {
            ElementType::F32 => {
                values.extend(stored.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
            ElementType::F16 => {
                let halves = stored.as_chunks().0.iter();
                values.extend(halves.map(|bytes| f16::from_le_bytes(*bytes).to_f32()));
            }
            ElementType::Bf16 => {
                let halves = stored.as_chunks().0.iter();
                values.extend(halves.map(|bytes| bf16::from_le_bytes(*bytes).to_f32()));
            }
            ElementType::I8 => {
                values.extend(stored.iter().map(|byte| f32::from(byte.cast_signed())));
            }
            ElementType::U8 => values.extend(stored.iter().copied().map(f32::from)),
            ElementType::Binary => unreachable!("binary vectors are refused at the beginning"),
        }
    }
}

fn squared_length(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value) * f64::from(value)).sum()
}
