//! Declarations of scalar columns: their types and defaults.

use vicinal_api::v1;
use vicinal_api::v1::value::Kind;
use vicinal_types::{Column, ColumnId, ColumnIndex, Error, Result, ScalarType, ScalarValue};

/// Parses a column that a collection is to get; the catalogue numbers it.
pub(crate) fn new_column_in(column: Option<v1::ScalarColumn>) -> Result<Column> {
    let column = column.ok_or_else(|| Error::invalid("there is no column; set `column`"))?;
    scalar_column_in(ColumnId::default(), column)
}

/// Parses the declaration of a scalar column.
pub(super) fn scalar_column_in(id: ColumnId, column: v1::ScalarColumn) -> Result<Column> {
    let name = column.name;
    let scalar = scalar_in(&name, column.r#type, column.is_array)?;
    let default = match column.default_value {
        None => None,
        Some(value) => {
            let wrong =
                |reason| Error::invalid(format!("the default of column `{name}`: {reason}"));
            let value = value_in(value).map_err(|reason| wrong(reason.to_owned()))?;
            Some(scalar.value(value).map_err(|error| wrong(error.to_string()))?)
        }
    };
    let index = index_in(column.index)?;
    Ok(Column { default, index, ..Column::scalar(id, name, scalar, column.nullable) })
}

fn index_in(number: i32) -> Result<ColumnIndex> {
    match v1::ColumnIndex::try_from(number) {
        Ok(v1::ColumnIndex::Unspecified | v1::ColumnIndex::Auto) => Ok(ColumnIndex::Auto),
        Ok(v1::ColumnIndex::None) => Ok(ColumnIndex::None),
        Ok(v1::ColumnIndex::Bitmap) => Ok(ColumnIndex::Bitmap),
        Ok(v1::ColumnIndex::Sorted) => Ok(ColumnIndex::Sorted),
        Ok(v1::ColumnIndex::Inverted) => Ok(ColumnIndex::Inverted),
        Ok(v1::ColumnIndex::Trigram) => Ok(ColumnIndex::Trigram),
        Err(_) => Err(Error::invalid(format!("{number} is no ColumnIndex; use 0 to 6"))),
    }
}

fn index_out(index: ColumnIndex) -> v1::ColumnIndex {
    match index {
        ColumnIndex::Auto => v1::ColumnIndex::Auto,
        ColumnIndex::None => v1::ColumnIndex::None,
        ColumnIndex::Bitmap => v1::ColumnIndex::Bitmap,
        ColumnIndex::Sorted => v1::ColumnIndex::Sorted,
        ColumnIndex::Inverted => v1::ColumnIndex::Inverted,
        ColumnIndex::Trigram => v1::ColumnIndex::Trigram,
    }
}

/// The declaration of a scalar column.
pub(super) fn scalar_column_out(
    (column, scalar, nullable): (&Column, ScalarType, bool),
) -> v1::ScalarColumn {
    let (single, is_array) = match scalar.item() {
        Some(item) => (item.scalar(), true),
        None => (scalar, false),
    };
    v1::ScalarColumn {
        name: column.name.clone(),
        r#type: scalar_out(single).into(),
        nullable,
        is_array,
        default_value: column.default.clone().map(value_out),
        index: index_out(column.index).into(),
    }
}

fn scalar_in(column: &str, number: i32, is_array: bool) -> Result<ScalarType> {
    let scalar = match v1::ScalarType::try_from(number) {
        Ok(v1::ScalarType::Bool) => ScalarType::Bool,
        Ok(v1::ScalarType::Int8) => ScalarType::Int8,
        Ok(v1::ScalarType::Int16) => ScalarType::Int16,
        Ok(v1::ScalarType::Int32) => ScalarType::Int32,
        Ok(v1::ScalarType::Int64) => ScalarType::Int64,
        Ok(v1::ScalarType::Float32) => ScalarType::Float32,
        Ok(v1::ScalarType::Float64) => ScalarType::Float64,
        Ok(v1::ScalarType::String) => ScalarType::String,
        Ok(v1::ScalarType::Timestamp) => ScalarType::Timestamp,
        Ok(v1::ScalarType::Json) => ScalarType::Json,
        Ok(v1::ScalarType::Unspecified) => {
            return Err(Error::invalid(format!(
                "column `{column}` names no type; use BOOL, INT8 to INT64, FLOAT32, FLOAT64, STRING, TIMESTAMP or JSON"
            )));
        }
        Err(_) => return Err(Error::invalid(format!("{number} is no ScalarType; use 1 to 10"))),
    };
    if !is_array {
        return Ok(scalar);
    }
    scalar.array().ok_or_else(|| {
        Error::invalid(format!(
            "column `{column}` cannot hold arrays of {scalar}; a JSON document may be an array itself"
        ))
    })
}

/// The type of single values; arrays are asked for their items.
fn scalar_out(scalar: ScalarType) -> v1::ScalarType {
    match scalar {
        ScalarType::Bool => v1::ScalarType::Bool,
        ScalarType::Int8 => v1::ScalarType::Int8,
        ScalarType::Int16 => v1::ScalarType::Int16,
        ScalarType::Int32 => v1::ScalarType::Int32,
        ScalarType::Int64 => v1::ScalarType::Int64,
        ScalarType::Float32 => v1::ScalarType::Float32,
        ScalarType::Float64 => v1::ScalarType::Float64,
        ScalarType::String => v1::ScalarType::String,
        ScalarType::Timestamp => v1::ScalarType::Timestamp,
        ScalarType::Json => v1::ScalarType::Json,
        ScalarType::Array(item) => scalar_out(item.scalar()),
    }
}

/// Parses one value; its lists hold no lists, so that no message is too deep.
pub(super) fn value_in(value: v1::Value) -> Result<ScalarValue, &'static str> {
    match value.kind {
        Some(Kind::ListValue(list)) => {
            let items = list.values.into_iter().map(|item| single_in(item.kind));
            Ok(ScalarValue::Array(items.collect::<Result<_, _>>()?))
        }
        single => single_in(single),
    }
}

fn single_in(kind: Option<Kind>) -> Result<ScalarValue, &'static str> {
    match kind {
        Some(Kind::BoolValue(value)) => Ok(ScalarValue::Bool(value)),
        Some(Kind::IntValue(value)) => Ok(ScalarValue::Int(value)),
        Some(Kind::DoubleValue(value)) => Ok(ScalarValue::Float(value)),
        Some(Kind::StringValue(text)) => Ok(ScalarValue::Text(text)),
        Some(Kind::ListValue(_)) => Err("a list holds single values, not lists"),
        None => Err("the value is empty; set one of its kinds, or leave it out"),
    }
}

/// Turns one value into its message.
pub(super) fn value_out(value: ScalarValue) -> v1::Value {
    let kind = match value {
        ScalarValue::Bool(value) => Kind::BoolValue(value),
        ScalarValue::Int(value) => Kind::IntValue(value),
        ScalarValue::Float(value) => Kind::DoubleValue(value),
        ScalarValue::Text(text) => Kind::StringValue(text),
        ScalarValue::Array(items) => {
            let values = items.into_iter().map(value_out).collect();
            Kind::ListValue(v1::ValueList { values })
        }
    };
    v1::Value { kind: Some(kind) }
}
