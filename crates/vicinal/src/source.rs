//! Files of vectors, read in chunks and never whole.

mod joined;
pub(crate) mod npy;
mod parquet;
mod vecs;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use half::f16;
use std::path::{Path, PathBuf};
use vicinal_client::{ElementType, IdType, Rows, ScalarType, Vectors};

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}: the ending says neither .parquet, .npy, .fvecs nor .bvecs; convert or rename the file", path.display())]
    Ending { path: PathBuf },
    #[error("{}: {reason}", path.display())]
    Format { path: PathBuf, reason: String },
    #[error(
        "column `{column}` of the file has {from} elements, which do not go into a column of {to}; import into f32, f16 or bf16, bytes of eight bits into binary"
    )]
    Element { column: String, from: ElementType, to: ElementType },
}

impl SourceError {
    fn io(path: &Path) -> impl Fn(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    fn format(path: &Path, reason: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), reason: reason.into() }
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    pub(crate) rows: u64,
    pub(crate) id_type: IdType,
    pub(crate) vectors: Vec<VectorLayout>,
    pub(crate) scalars: Vec<ScalarLayout>,
    /// Columns that cannot be imported, each with the reason.
    pub(crate) skipped: Vec<(String, String)>,
}

/// A vector column of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VectorLayout {
    pub(crate) name: String,
    pub(crate) dim: u32,
    /// As the file has it; 64-bit floats count as [`ElementType::F32`].
    pub(crate) element: ElementType,
}

/// A scalar column of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ScalarLayout {
    pub(crate) name: String,
    pub(crate) scalar: ScalarType,
    pub(crate) nullable: bool,
}

/// An open file, and the row to be read next.
pub(crate) enum Source {
    Npy(npy::NpyRows),
    Vecs(vecs::VecsRows),
    Parquet(parquet::ParquetRows),
    Joined(Box<joined::JoinedRows>),
}

impl VectorLayout {
    /// Dimensions in a column of `to`: bytes are eight bits of binary vectors each.
    pub(crate) fn dim_in(&self, to: ElementType) -> u32 {
        let is_packed = (self.element, to) == (ElementType::U8, ElementType::Binary);
        if is_packed { self.dim.saturating_mul(8) } else { self.dim }
    }
}

impl Source {
    /// Opens a file by its ending.
    pub(crate) fn open(path: &Path) -> Result<Self, SourceError> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending {
            "npy" => Ok(Self::Npy(npy::NpyRows::open(path)?)),
            "fvecs" => Ok(Self::Vecs(vecs::VecsRows::open(path, ElementType::F32)?)),
            "bvecs" => Ok(Self::Vecs(vecs::VecsRows::open(path, ElementType::U8)?)),
            "parquet" => {
                let file = std::fs::File::open(path).map_err(SourceError::io(path))?;
                Ok(Self::Parquet(parquet::ParquetRows::open(path, file)?.with_vectors()?))
            }
            _ => Err(SourceError::Ending { path: path.to_owned() }),
        }
    }

    /// Opens a Parquet file that is in memory; `name` is for messages.
    pub(crate) fn parquet(name: &str, bytes: Bytes) -> Result<Self, SourceError> {
        let rows = parquet::ParquetRows::open(Path::new(name), bytes)?;
        Ok(Self::Parquet(rows.with_vectors()?))
    }

    /// These vectors with the ids and scalar columns of a Parquet file.
    pub(crate) fn with_columns_of(self, path: &Path) -> Result<Self, SourceError> {
        Ok(Self::Joined(Box::new(joined::JoinedRows::open(self, path)?)))
    }

    pub(crate) fn layout(&self) -> &Layout {
        match self {
            Self::Npy(rows) => rows.layout(),
            Self::Vecs(rows) => rows.layout(),
            Self::Parquet(rows) => rows.layout(),
            Self::Joined(rows) => rows.layout(),
        }
    }

    /// The next rows, at most `rows_max`; none at the end.
    pub(crate) fn next_rows(&mut self, rows_max: usize) -> Result<Option<Rows>, SourceError> {
        match self {
            Self::Npy(rows) => rows.next_rows(rows_max),
            Self::Vecs(rows) => rows.next_rows(rows_max),
            Self::Parquet(rows) => rows.next_rows(rows_max),
            Self::Joined(rows) => rows.next_rows(rows_max),
        }
    }
}

/// What a file of nothing but vectors holds: row numbers are the ids.
fn vectors_only(rows: u64, dim: u32, element: ElementType) -> Layout {
    Layout {
        rows,
        id_type: IdType::Int64,
        vectors: vec![VectorLayout { name: "vector".into(), dim, element }],
        scalars: Vec::new(),
        skipped: Vec::new(),
    }
}

/// Rows of such a file, numbered from `first`.
fn numbered(first: u64, count: usize, element: ElementType, bytes: Vec<u8>) -> Rows {
    let first = first.cast_signed();
    let ids: Vec<i64> = (first..).take(count).collect();
    Rows::new(ids).vectors("vector", Vectors::packed(element, bytes))
}

/// The vectors as a column of `to` takes them: as they are if the types agree,
/// as 32-bit floats if it rounds those, bytes as eight bits each.
pub(crate) fn convert(
    column: &str,
    vectors: &Vectors,
    to: ElementType,
) -> Result<Vectors, SourceError> {
    let from = vectors.element().unwrap_or(to);
    let rounds = matches!(to, ElementType::F32 | ElementType::F16 | ElementType::Bf16);
    match from {
        _ if from == to => Ok(vectors.clone()),
        ElementType::F32 if rounds => Ok(vectors.clone()),
        ElementType::U8 if to == ElementType::Binary => {
            Ok(Vectors::packed(to, vectors.bytes().clone()))
        }
        ElementType::U8 | ElementType::F16 if rounds => {
            let packed = Bytes::from(widen(from, vectors.bytes()));
            Ok(Vectors::packed(ElementType::F32, packed))
        }
        ElementType::F32
        | ElementType::F16
        | ElementType::Bf16
        | ElementType::I8
        | ElementType::U8
        | ElementType::Binary => Err(SourceError::Element { column: column.to_owned(), from, to }),
    }
}

/// Bytes or half floats as 32-bit floats.
fn widen(from: ElementType, bytes: &[u8]) -> Vec<u8> {
    let mut wide = Vec::new();
    if from == ElementType::U8 {
        wide.resize(bytes.len() * 4, 0);
        for (to, byte) in wide.as_chunks_mut::<4>().0.iter_mut().zip(bytes) {
            *to = f32::from(*byte).to_le_bytes();
        }
    } else {
        let halves = bytes.as_chunks::<2>().0;
        wide.resize(halves.len() * 4, 0);
        for (to, half) in wide.as_chunks_mut::<4>().0.iter_mut().zip(halves) {
            *to = f16::from_le_bytes(*half).to_f32().to_le_bytes();
        }
    }
    wide
}
