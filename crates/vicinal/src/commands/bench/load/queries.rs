//! The queries, as bytes that only have to be sent.

use crate::commands::search::vector_column;
use crate::failure::Failure;
use crate::source::npy::{self, Matrix};
use bytes::Bytes;
use half::f16;
use std::ops::Range;
use std::path::Path;
use vicinal_client::proto::CollectionSpec;
use vicinal_client::{ElementType, Vectors, vector_type};

/// Queries that were encoded before the clock started.
pub(in crate::commands::bench) struct Queries {
    element: ElementType,
    vectors: Vec<Bytes>,
}

impl Queries {
    /// Reads a file into what the collection's column takes with the least work.
    pub(in crate::commands::bench) fn read(
        path: &Path,
        spec: &CollectionSpec,
        column: &str,
    ) -> Result<Self, Failure> {
        let matrix = npy::read_f32(path)?;
        let column = vector_column(spec, column)?;
        let known = spec.vectors.iter().find(|known| known.name == column);
        let kind = vector_type(known.ok_or_else(|| Failure::new("the vector column went away"))?)?;
        if matrix.dim != kind.dim() {
            let (found, expected) = (matrix.dim, kind.dim());
            let reason =
                format!("queries have {found} dimensions, column `{column}` takes {expected}");
            return Err(Failure::file(path, reason));
        }
        if matrix.rows == 0 {
            return Err(Failure::file(path, "there are no queries in it"));
        }
        let encode = |row: &[f32]| encode(row, kind.element());
        let vectors = (0..matrix.rows).map(|row| encode(matrix.row(row))).collect::<Option<_>>();
        let vectors = vectors.ok_or_else(|| {
            Failure::file(
                path,
                format!("queries do not fit into the {} of `{column}`", kind.element()),
            )
        })?;
        Ok(Self { element: wire(kind.element()), vectors })
    }

    /// Checks that the true neighbours are those of these queries.
    pub(in crate::commands::bench) fn check_truth(
        &self,
        path: &Path,
        truth: &Matrix<i32>,
        k: u32,
    ) -> Result<(), Failure> {
        let (lists, queries) = (truth.rows, self.len());
        if lists != queries {
            let reason = format!("{lists} lists of neighbours for {queries} queries");
            return Err(Failure::file(path, reason));
        }
        if truth.dim < k as usize {
            let known = truth.dim;
            return Err(Failure::file(
                path,
                format!("it has {known} neighbours a query, k is {k}"),
            ));
        }
        Ok(())
    }

    pub(in crate::commands::bench) fn len(&self) -> usize {
        self.vectors.len()
    }

    /// The query that is sent as the `number`-th: one after another, again and again.
    pub(in crate::commands::bench) fn number(&self, number: u64) -> usize {
        let at = number % self.vectors.len() as u64;
        usize::try_from(at).unwrap_or_default()
    }

    /// Some of the queries, to be sent at once.
    pub(in crate::commands::bench) fn vectors(&self, range: Range<usize>) -> Vectors {
        Vectors::packed(self.element, self.vectors[range].concat())
    }

    pub(in crate::commands::bench) fn vector(&self, query: usize) -> Vectors {
        Vectors::packed(self.element, self.vectors[query].clone())
    }
}

/// The elements on the wire: the column's own, or floats that the server rounds.
fn wire(element: ElementType) -> ElementType {
    match element {
        ElementType::F16 | ElementType::U8 => element,
        ElementType::F32 | ElementType::Bf16 | ElementType::I8 | ElementType::Binary => {
            ElementType::F32
        }
    }
}

/// A query in the elements of the wire; none if it does not fit.
fn encode(row: &[f32], element: ElementType) -> Option<Bytes> {
    let bytes = match element {
        ElementType::F32 | ElementType::Bf16 => row.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ElementType::F16 => row.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
        ElementType::U8 => {
            #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
            let byte =
                |v: &f32| (v.fract() == 0.0 && (0.0..=255.0).contains(v)).then_some(*v as u8);
            row.iter().map(byte).collect::<Option<Vec<u8>>>()?
        }
        ElementType::I8 | ElementType::Binary => return None,
    };
    Some(Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded_as_the_column_stores_them() {
        let check = |element, row: &[f32], expected: Option<&[u8]>| {
            assert_eq!(encode(row, element).as_deref(), expected, "{element}");
        };
        check(ElementType::F32, &[1.0], Some(&[0, 0, 0x80, 0x3f]));
        check(ElementType::F16, &[1.0], Some(&[0, 0x3c]));
        check(ElementType::U8, &[1.0, 255.0], Some(&[1, 255]));
        check(ElementType::U8, &[1.5], None);
        check(ElementType::U8, &[-1.0], None);
    }
}
