//! Declaring a collection.

use crate::convert;
use crate::error::{Error, Result};
use vicinal_api::v1 as proto;
use vicinal_types::{
    ColumnIndex, IdType, IndexSpec, ScalarType, ScalarValue, SegmentLimits, VectorType,
};

/// A collection as it shall be: built column by column.
///
/// ```
/// use vicinal_client::{CollectionSpec, ElementType, Metric, ScalarType, VectorType};
///
/// let spec = CollectionSpec::new("words")
///     .vector("vector", VectorType::new(384, ElementType::F16, Metric::Cosine)?)
///     .column("word", ScalarType::String)
///     .nullable_column("gloss", ScalarType::String);
/// # Ok::<(), vicinal_types::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CollectionSpec {
    message: proto::CollectionSpec,
}

impl CollectionSpec {
    /// A collection of that name with int64 ids and the server's defaults.
    pub fn new(name: impl Into<String>) -> Self {
        let message = proto::CollectionSpec {
            name: name.into(),
            id_type: proto::IdType::Int64.into(),
            ..Default::default()
        };
        Self { message }
    }

    /// Sets the type of the primary ids.
    #[must_use]
    pub fn id(mut self, id_type: IdType) -> Self {
        self.message.id_type = convert::id_type(id_type).into();
        self
    }

    /// Adds a vector column with the server's default index.
    #[must_use]
    pub fn vector(self, name: impl Into<String>, vector: VectorType) -> Self {
        self.vector_column(name.into(), vector, None)
    }

    /// Adds a vector column with index parameters.
    #[must_use]
    pub fn indexed_vector(
        self,
        name: impl Into<String>,
        vector: VectorType,
        index: IndexSpec,
    ) -> Self {
        self.vector_column(name.into(), vector, Some(convert::index(index)))
    }

    /// Adds a scalar column that has a value in every row.
    #[must_use]
    pub fn column(self, name: impl Into<String>, scalar: ScalarType) -> Self {
        self.scalar_column(ColumnSpec::new(name, scalar))
    }

    /// Adds a scalar column that may be null.
    #[must_use]
    pub fn nullable_column(self, name: impl Into<String>, scalar: ScalarType) -> Self {
        self.scalar_column(ColumnSpec::new(name, scalar).nullable())
    }

    /// Adds a scalar column, nullable and with a default or not.
    #[must_use]
    pub fn scalar_column(mut self, column: ColumnSpec) -> Self {
        self.message.columns.push(column.message);
        self
    }

    /// Lets rows expire at the time that they have in a column of timestamps; those
    /// without one do not.
    #[must_use]
    pub fn ttl(mut self, column: impl Into<String>) -> Self {
        self.message.ttl = Some(proto::Ttl { column: column.into() });
        self
    }

    /// Sets when growing segments are sealed.
    #[must_use]
    pub fn segments(mut self, limits: SegmentLimits) -> Self {
        self.message.segments = Some(convert::segments(limits));
        self
    }

    /// The collection's name.
    pub fn name(&self) -> &str {
        &self.message.name
    }

    fn vector_column(
        mut self,
        name: String,
        vector: VectorType,
        index: Option<proto::IndexSpec>,
    ) -> Self {
        self.message.vectors.push(proto::VectorColumn {
            name,
            dimension: u32::try_from(vector.dim()).unwrap_or(u32::MAX),
            element: convert::element(vector.element()).into(),
            metric: convert::metric(vector.metric()).into(),
            index,
        });
        self
    }

    pub(crate) fn into_message(self) -> proto::CollectionSpec {
        self.message
    }
}

/// A scalar column as it shall be.
///
/// ```
/// use vicinal_client::{ColumnSpec, ScalarType, ScalarValue};
///
/// let stock = ColumnSpec::new("stock", ScalarType::Int32).with_default(ScalarValue::Int(0));
/// let seen = ColumnSpec::new("seen", ScalarType::Timestamp).nullable();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSpec {
    message: proto::ScalarColumn,
}

impl ColumnSpec {
    /// A column that has a value in every row, and every write brings it.
    pub fn new(name: impl Into<String>, scalar: ScalarType) -> Self {
        let message = proto::ScalarColumn {
            name: name.into(),
            r#type: convert::scalar_type(scalar).into(),
            nullable: false,
            is_array: scalar.item().is_some(),
            default_value: None,
            index: proto::ColumnIndex::Unspecified.into(),
        };
        Self { message }
    }

    /// Lets rows have no value.
    #[must_use]
    pub fn nullable(mut self) -> Self {
        self.message.nullable = true;
        self
    }

    /// The value of rows that are written without the column.
    #[must_use]
    pub fn with_default(mut self, value: ScalarValue) -> Self {
        self.message.default_value = Some(convert::value(value));
        self
    }

    /// The column's index; without it [`ColumnIndex::Auto`].
    #[must_use]
    pub fn with_index(mut self, index: ColumnIndex) -> Self {
        self.message.index = convert::column_index(index).into();
        self
    }

    pub(crate) fn into_message(self) -> proto::ScalarColumn {
        self.message
    }
}

/// The type of a vector column as a description of its collection has it.
///
/// # Errors
/// [`Error::Invalid`] for a type that this client does not know.
pub fn vector_type(column: &proto::VectorColumn) -> Result<VectorType> {
    let name = &column.name;
    let element = convert::element_back(column.element());
    let metric = convert::metric_back(column.metric());
    let (Some(element), Some(metric)) = (element, metric) else {
        let reason = "has an element type or metric that this client does not know";
        return Err(Error::Invalid(format!("vector column `{name}` {reason}; use a newer one")));
    };
    VectorType::new(column.dimension, element, metric)
        .map_err(|error| Error::Invalid(format!("vector column `{name}`: {error}")))
}

/// The type of a scalar column as a description of its collection has it; none
/// if this client does not know it.
pub fn scalar_type(column: &proto::ScalarColumn) -> Option<ScalarType> {
    convert::scalar_type_back(column)
}

/// The default of a scalar column as a description of its collection has it.
pub fn default_value(column: &proto::ScalarColumn) -> Option<ScalarValue> {
    column.default_value.as_ref().and_then(convert::value_back)
}

/// The declared index of a scalar column as a description of its collection has it;
/// none if this client does not know it.
pub fn column_index(column: &proto::ScalarColumn) -> Option<ColumnIndex> {
    convert::column_index_back(column)
}

/// The index parameters of a vector column as a description of its collection
/// has them.
///
/// # Errors
/// [`Error::Invalid`] for parameters that this client does not know.
pub fn index_spec(column: &proto::VectorColumn) -> Result<IndexSpec> {
    let index = column.index.unwrap_or_default();
    convert::index_back(&index).ok_or_else(|| {
        let name = &column.name;
        let reason = "has index parameters that this client does not know";
        Error::Invalid(format!("vector column `{name}` {reason}; use a newer one"))
    })
}
