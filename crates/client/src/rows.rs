//! Rows as columns, on their way in and out.

mod scalars;
mod value;

pub use scalars::Scalars;
pub use value::Value;

use crate::convert;
use crate::error::{Error, Result};
use bytes::{Bytes, BytesMut};
use half::{bf16, f16};
use vicinal_api::v1 as proto;
use vicinal_types::{ElementType, Ids};

/// Rows, built column by column; every column has one value for each id.
///
/// ```
/// use vicinal_client::Rows;
///
/// let rows = Rows::new([1, 2])
///     .vectors("vector", &[0.1, 0.2, 0.3, 0.4][..])
///     .column("word", vec!["near".to_owned(), "far".to_owned()])
///     .column("gloss", vec![Some("not far".to_owned()), None]);
/// assert_eq!(rows.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    ids: Ids,
    vectors: Columns<Vectors>,
    scalars: Columns<Scalars>,
}

/// Columns by name, in the order in which they were added.
pub type Columns<T> = Vec<(String, T)>;

/// Vectors of one column or of a batch of queries, one after another.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    /// None: what the column has.
    element: Option<ElementType>,
    bytes: Bytes,
}

impl Vectors {
    /// Little-endian elements of one type without gaps: what goes over the wire.
    pub fn packed(element: ElementType, bytes: impl Into<Bytes>) -> Self {
        Self { element: Some(element), bytes: bytes.into() }
    }

    /// The type of the elements; none if the server did not say.
    pub fn element(&self) -> Option<ElementType> {
        self.element
    }

    /// The elements as they went over the wire.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The elements as floats, bits as 0 and 1; none if their type is unknown.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        self.element.map(|element| decode(element, &self.bytes))
    }

    pub(crate) fn into_message(self) -> proto::Vectors {
        let element = self.element.map_or(proto::ElementType::Unspecified, convert::element);
        proto::Vectors {
            data: Some(proto::vectors::Data::Packed(self.bytes)),
            element: element.into(),
        }
    }

    fn from_message(message: proto::Vectors) -> Self {
        let element = convert::element_back(message.element());
        match message.data {
            Some(proto::vectors::Data::Packed(bytes)) => Self { element, bytes },
            Some(proto::vectors::Data::Floats(floats)) => Self::from(floats.values),
            None => Self { element, bytes: Bytes::new() },
        }
    }

    fn append(&mut self, other: &Self) {
        let mut bytes = std::mem::take(&mut self.bytes)
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        bytes.extend_from_slice(&other.bytes);
        self.bytes = bytes.freeze();
    }
}

impl From<&[f32]> for Vectors {
    fn from(values: &[f32]) -> Self {
        let mut bytes = vec![0; values.len() * 4];
        let (elements, _) = bytes.as_chunks_mut::<4>();
        for (element, value) in elements.iter_mut().zip(values) {
            *element = value.to_le_bytes();
        }
        Self::packed(ElementType::F32, bytes)
    }
}

impl<const N: usize> From<&[f32; N]> for Vectors {
    fn from(values: &[f32; N]) -> Self {
        Self::from(&values[..])
    }
}

impl From<&Vec<f32>> for Vectors {
    fn from(values: &Vec<f32>) -> Self {
        Self::from(&values[..])
    }
}

impl From<Vec<f32>> for Vectors {
    fn from(values: Vec<f32>) -> Self {
        Self::from(&values[..])
    }
}

impl Rows {
    /// Rows of these ids, without any column yet.
    pub fn new(ids: impl Into<Ids>) -> Self {
        Self { ids: ids.into(), vectors: Vec::new(), scalars: Vec::new() }
    }

    /// Adds a vector column: the rows' vectors one after another.
    #[must_use]
    pub fn vectors(mut self, name: impl Into<String>, vectors: impl Into<Vectors>) -> Self {
        self.vectors.push((name.into(), vectors.into()));
        self
    }

    /// Adds a scalar column; a `Vec<Option<T>>` has nulls in it.
    #[must_use]
    pub fn column(mut self, name: impl Into<String>, values: impl Into<Scalars>) -> Self {
        self.scalars.push((name.into(), values.into()));
        self
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The primary ids, in row order.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// The names of the columns, vectors first.
    pub fn column_names(&self) -> impl Iterator<Item = &str> {
        let vectors = self.vectors.iter().map(|(name, _)| name.as_str());
        vectors.chain(self.scalars.iter().map(|(name, _)| name.as_str()))
    }

    /// The vectors of a column; none if it is not there.
    pub fn vector_column(&self, name: &str) -> Option<&Vectors> {
        self.vectors.iter().find(|(known, _)| known == name).map(|(_, vectors)| vectors)
    }

    /// The values of a scalar column; none if it is not there.
    pub fn scalar_column(&self, name: &str) -> Option<&Scalars> {
        self.scalars.iter().find(|(known, _)| known == name).map(|(_, values)| values)
    }

    /// The vector of a row; none if the column is not there or its type unknown.
    pub fn vector(&self, name: &str, row: usize) -> Option<Vec<f32>> {
        let vectors = self.vector_column(name)?;
        let row_bytes = vectors.bytes.len() / self.len().max(1);
        let bytes = vectors.bytes.get(row * row_bytes..(row + 1) * row_bytes)?;
        vectors.element.map(|element| decode(element, bytes))
    }

    /// The value of a row in any column; none if there is no such column or row.
    pub fn value(&self, name: &str, row: usize) -> Option<Value<'_>> {
        match self.scalar_column(name) {
            Some(scalars) => scalars.value(row),
            None => self.vector(name, row).map(Value::Vector),
        }
    }

    /// The text of a row in a string or JSON column; none if it is null or not there.
    pub fn text(&self, name: &str, row: usize) -> Option<&str> {
        match self.scalar_column(name)?.value(row)? {
            Value::Text(text) | Value::Json(text) => Some(text),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float32(_)
            | Value::Float(_)
            | Value::Timestamp(_)
            | Value::Vector(_)
            | Value::Array(_) => None,
        }
    }

    /// The ids, the vector columns and the scalar columns, to build other rows from.
    pub fn into_parts(self) -> (Ids, Columns<Vectors>, Columns<Scalars>) {
        (self.ids, self.vectors, self.scalars)
    }

    /// Bytes that the rows take on the wire, about.
    pub fn bytes(&self) -> usize {
        let ids = match &self.ids {
            Ids::Int(ids) => ids.len() * 8,
            Ids::Str(ids) => ids.iter().map(|id| id.len() + 2).sum(),
        };
        let vectors: usize = self.vectors.iter().map(|(_, vectors)| vectors.bytes.len()).sum();
        let scalars: usize = self.scalars.iter().map(|(_, scalars)| scalars.bytes()).sum();
        ids + vectors + scalars
    }

    /// Checks that every column has a value for each id.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the column and both numbers.
    pub fn check(&self) -> Result<()> {
        let rows = self.len();
        if rows == 0 {
            return Err(Error::Invalid("there are no rows to write; give at least one id".into()));
        }
        for (name, scalars) in &self.scalars {
            let len = scalars.len();
            if len != rows {
                return Err(Error::Invalid(format!(
                    "column `{name}` has {len} values for {rows} ids; give one for each"
                )));
            }
        }
        for (name, vectors) in &self.vectors {
            let bytes = vectors.bytes.len();
            if bytes == 0 || bytes % rows != 0 {
                return Err(Error::Invalid(format!(
                    "vectors of `{name}` are {bytes} bytes, which {rows} rows do not share evenly; give one vector for each id"
                )));
            }
        }
        Ok(())
    }

    /// Adds rows with the same columns in the same order behind these.
    ///
    /// # Errors
    /// [`Error::Invalid`] if ids or columns are of other names or types; the
    /// rows are then as they were.
    pub fn append(&mut self, other: Self) -> Result<()> {
        self.check_same_columns(&other)?;
        match (&mut self.ids, other.ids) {
            (Ids::Int(ids), Ids::Int(more)) => ids.extend(more),
            (Ids::Str(ids), Ids::Str(more)) => ids.extend(more),
            (Ids::Int(_) | Ids::Str(_), _) => {}
        }
        for ((_, vectors), (_, more)) in self.vectors.iter_mut().zip(&other.vectors) {
            vectors.append(more);
        }
        for ((_, scalars), (_, more)) in self.scalars.iter_mut().zip(other.scalars) {
            scalars.append(more);
        }
        Ok(())
    }

    fn check_same_columns(&self, other: &Self) -> Result<()> {
        let ids = matches!(
            (&self.ids, &other.ids),
            (Ids::Int(_), Ids::Int(_)) | (Ids::Str(_), Ids::Str(_))
        );
        let vectors = self.vectors.len() == other.vectors.len()
            && self.vectors.iter().zip(&other.vectors).all(|((name, vectors), (other, more))| {
                name == other && vectors.element == more.element
            });
        let scalars = self.scalars.len() == other.scalars.len()
            && self
                .scalars
                .iter()
                .zip(&other.scalars)
                .all(|((name, values), (other, more))| name == other && values.is_like(more));
        if ids && vectors && scalars {
            return Ok(());
        }
        let names = |rows: &Self| rows.column_names().collect::<Vec<_>>().join("`, `");
        let (mine, theirs) = (names(self), names(other));
        Err(Error::Invalid(format!(
            "rows with the columns `{theirs}` cannot follow rows with `{mine}`: ids and columns must have one type and order"
        )))
    }

    pub(crate) fn into_message(self) -> proto::RowBatch {
        use proto::column_values::Values;
        let vectors = self.vectors.into_iter().map(|(name, vectors)| proto::ColumnValues {
            name,
            values: Some(Values::Vectors(vectors.into_message())),
            nulls: Vec::new(),
        });
        let scalars = self.scalars.into_iter().map(|(name, scalars)| scalars.into_message(name));
        proto::RowBatch {
            columns: vectors.chain(scalars).collect(),
            ids: Some(convert::ids(self.ids)),
        }
    }

    /// Rows of an answer.
    pub(crate) fn from_parts(
        ids: Option<proto::Ids>,
        columns: Vec<proto::ColumnValues>,
    ) -> Result<Self, String> {
        use proto::column_values::Values;
        let mut rows = Self::new(convert::ids_back(ids));
        for column in columns {
            let name = column.name.clone();
            match column.values {
                Some(Values::Vectors(vectors)) => {
                    rows.vectors.push((name, Vectors::from_message(vectors)));
                }
                _ => rows.scalars.push((name, Scalars::from_message(column)?)),
            }
        }
        if rows.is_empty() {
            return Ok(rows);
        }
        rows.check().map_err(|error| error.to_string())?;
        Ok(rows)
    }
}

/// Stored elements as floats; bits as 0 and 1.
fn decode(element: ElementType, bytes: &[u8]) -> Vec<f32> {
    let pairs = || bytes.as_chunks::<2>().0.iter().copied();
    match element {
        ElementType::F32 => {
            bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        }
        ElementType::F16 => pairs().map(|bytes| f16::from_le_bytes(bytes).to_f32()).collect(),
        ElementType::Bf16 => pairs().map(|bytes| bf16::from_le_bytes(bytes).to_f32()).collect(),
        ElementType::I8 => bytes.iter().map(|byte| f32::from(byte.cast_signed())).collect(),
        ElementType::U8 => bytes.iter().map(|byte| f32::from(*byte)).collect(),
        ElementType::Binary => {
            let bits = |byte: &u8| {
                let byte = *byte;
                (0..8).map(move |bit| f32::from((byte >> bit) & 1))
            };
            bytes.iter().flat_map(bits).collect()
        }
    }
}

#[cfg(test)]
mod tests;
