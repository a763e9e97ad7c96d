//! Writes at the door: checked against the schema before they are proposed, so
//! that applying them cannot fail.

use crate::columns;
use crate::command::{CheckedRows, CheckedUpdate};
use crate::request::{Selection, Update};
use crate::vectors;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use std::collections::HashMap;
use std::hash::Hash;
use vicinal_types::{
    ColumnId, Error, IdType, Ids, JsonError, Result, RowBatch, ScalarType, Schema, VectorInput,
    check_json, limits,
};

/// Checks rows against the schema and brings them into stored form.
///
/// # Errors
/// `Invalid` naming column, row and limit.
pub(crate) fn rows(schema: &Schema, batch: &RowBatch) -> Result<CheckedRows> {
    ids(schema, &batch.ids)?;
    let len = batch.ids.len();
    check_columns(schema, &batch.vectors, &batch.scalars)?;
    let mut encoded = Vec::new();
    for (column, kind) in schema.vectors() {
        let given = batch.vectors.iter().find(|(id, _)| *id == column.id);
        let Some((_, input)) = given else {
            return Err(Error::invalid(format!("vector column `{}` is missing", column.name)));
        };
        encoded.push((column.id, vectors::encode(&column.name, kind, len, input)?));
    }
    let mut scalars = Vec::new();
    for (column, scalar, nullable) in schema.scalars() {
        let given = batch.scalars.iter().find(|(id, _)| *id == column.id);
        match given {
            Some((_, array)) => {
                check_scalars(&column.name, scalar, nullable, len, array)?;
                scalars.push((column.id, array.clone()));
            }
            None if nullable || column.default.is_some() => {
                let default = column.default.as_ref();
                scalars.push((column.id, columns::constant(scalar, default, len)));
            }
            None => {
                return Err(Error::invalid(format!(
                    "column `{}` is missing, takes no nulls and has no default",
                    column.name
                )));
            }
        }
    }
    Ok(CheckedRows { ids: batch.ids.clone(), vectors: encoded, scalars })
}

/// Checks what an update sets and brings it into stored form.
///
/// # Errors
/// `Invalid` naming column, row and limit.
pub(crate) fn update(schema: &Schema, update: &Update) -> Result<CheckedUpdate> {
    let row_bytes = updated_row_bytes(schema, update);
    let rows_max = (limits::UPDATED_BYTES_MAX / row_bytes).clamp(1, limits::WRITE_ROWS_MAX);
    let len = match &update.rows {
        Selection::Ids(given) | Selection::IdsIf(given, _) => {
            ids(schema, given)?;
            id_list(schema, given, rows_max, "an update of this collection")?;
            given.len()
        }
        Selection::Where(_) => 1,
    };
    let (mut vectors, mut scalars) = (Vec::new(), Vec::new());
    if update.vectors.is_empty() && update.scalars.is_empty() {
        return Err(Error::invalid("an update sets one column at least, this one has none"));
    }
    check_columns(schema, &update.vectors, &update.scalars)?;
    for (column, kind) in schema.vectors() {
        if let Some((_, input)) = update.vectors.iter().find(|(id, _)| *id == column.id) {
            vectors.push((column.id, vectors::encode(&column.name, kind, len, input)?));
        }
    }
    for (column, scalar, nullable) in schema.scalars() {
        if let Some((_, array)) = update.scalars.iter().find(|(id, _)| *id == column.id) {
            check_scalars(&column.name, scalar, nullable, len, array)?;
            scalars.push((column.id, array.clone()));
        }
    }
    let copied_bytes = (len * row_bytes) as u64;
    Ok(CheckedUpdate { rows_max, vectors, scalars, copied_bytes })
}

/// Bytes that an update writes for each row, as far as they are known before it is: its
/// vectors, defaults that rows may have yet to get, and the one value of all rows that a
/// filter selects.
fn updated_row_bytes(schema: &Schema, update: &Update) -> usize {
    let of_vectors: usize = schema.vectors().map(|(_, kind)| kind.row_bytes()).sum();
    let is_by_filter = matches!(update.rows, Selection::Where(_));
    let of_scalars = schema.scalars().map(|(column, scalar, _)| {
        match (update.scalars.iter().find(|(id, _)| *id == column.id), &column.default) {
            (Some((_, array)), _) if is_by_filter && !array.is_empty() => {
                columns::value_bytes(array, 0)
            }
            (None, Some(default)) => {
                columns::value_bytes(&columns::constant(scalar, Some(default), 1), 0)
            }
            (Some(_), _) | (None, None) => 0,
        }
    });
    of_vectors + of_scalars.sum::<usize>()
}

/// Checks ids: their type, number and lengths, and that all are different.
///
/// # Errors
/// `Invalid` naming the id and the limit.
pub(crate) fn ids(schema: &Schema, ids: &Ids) -> Result<()> {
    id_list(schema, ids, limits::WRITE_ROWS_MAX, "a write")?;
    match ids {
        Ids::Int(ids) => check_distinct(ids),
        Ids::Str(ids) => check_distinct(ids),
    }
}

/// Checks ids of a read: their type, number and lengths.
///
/// # Errors
/// `Invalid` naming the id and the limit.
pub(crate) fn id_list(schema: &Schema, ids: &Ids, max: usize, what: &str) -> Result<()> {
    let given = match ids {
        Ids::Int(_) => IdType::Int64,
        Ids::Str(_) => IdType::String,
    };
    let id_type = schema.id_type();
    if given != id_type {
        return Err(Error::invalid(format!(
            "{given} ids were sent, the collection has {id_type} ids"
        )));
    }
    let len = ids.len();
    if len == 0 || len > max {
        return Err(Error::invalid(format!(
            "{what} takes 1 to {max} ids, this one has {len}; split it"
        )));
    }
    if let Ids::Str(ids) = ids {
        let max = limits::ID_BYTES_MAX;
        let wrong = ids.iter().position(|id| id.is_empty() || id.len() > max);
        if let Some(row) = wrong {
            let len = ids[row].len();
            return Err(Error::invalid(format!(
                "the id of row {row} has {len} bytes, ids have 1 to {max}"
            )));
        }
    }
    Ok(())
}

fn check_distinct<T: Hash + Eq + std::fmt::Debug>(ids: &[T]) -> Result<()> {
    let mut seen = HashMap::with_capacity(ids.len());
    for (row, id) in ids.iter().enumerate() {
        if let Some(first) = seen.insert(id, row) {
            return Err(Error::invalid(format!(
                "id {id:?} is in rows {first} and {row} of one batch; each id may come once"
            )));
        }
    }
    Ok(())
}

fn check_columns(
    schema: &Schema,
    vectors: &[(ColumnId, VectorInput)],
    scalars: &[(ColumnId, ArrayRef)],
) -> Result<()> {
    let vectors = vectors.iter().map(|(id, _)| *id);
    let given: Vec<ColumnId> = vectors.chain(scalars.iter().map(|(id, _)| *id)).collect();
    for (at, id) in given.iter().enumerate() {
        let Some(column) = schema.columns().iter().find(|column| column.id == *id) else {
            return Err(Error::invalid(format!("the collection has no column number {id}")));
        };
        if given[..at].contains(id) {
            return Err(Error::invalid(format!("column `{}` is given twice", column.name)));
        }
    }
    Ok(())
}

fn check_scalars(
    name: &str,
    scalar: ScalarType,
    nullable: bool,
    rows: usize,
    array: &ArrayRef,
) -> Result<()> {
    let refuse = |what: String| Err(Error::invalid(format!("column `{name}` {what}")));
    let len = array.len();
    if len != rows {
        return refuse(format!("has {len} values for {rows} rows"));
    }
    if array.data_type() != &scalar.arrow() {
        return refuse(format!("holds {scalar} values, {} were sent", array.data_type()));
    }
    let first_null = || (0..len).find(|row| array.is_null(*row)).unwrap_or(0);
    if !nullable && array.null_count() > 0 {
        return refuse(format!("takes no nulls, row {} is null", first_null()));
    }
    match scalar.item() {
        None => check_values(scalar, array).or_else(|(row, what)| refuse(what.of("row", row))),
        Some(item) => {
            let lists = array.as_list::<i32>();
            for row in (0..len).filter(|row| lists.is_valid(*row)) {
                let items = lists.value(row);
                let (len, max) = (items.len(), limits::ARRAY_ITEMS_MAX);
                if len > max {
                    return refuse(format!("takes at most {max} items, row {row} has {len}"));
                }
                check_values(item.scalar(), &items)
                    .or_else(|(at, what)| refuse(what.of(&format!("row {row}, item"), at)))?;
            }
            Ok(())
        }
    }
}

/// What is wrong with a value.
enum Wrong {
    NotFinite,
    Bytes(usize),
    Json(JsonError),
}

impl Wrong {
    /// Says it of the value at a place.
    fn of(&self, place: &str, at: usize) -> String {
        match self {
            Self::NotFinite => format!("holds NaN or an infinity in {place} {at}"),
            Self::Bytes(len) => {
                let max = limits::STRING_BYTES_MAX;
                format!("takes at most {max} bytes a value, {place} {at} has {len}")
            }
            Self::Json(what) => format!("{place} {at} {what}"),
        }
    }
}

/// The first value that is wrong, and what is.
fn check_values(scalar: ScalarType, array: &ArrayRef) -> Result<(), (usize, Wrong)> {
    let not_finite = |row: Option<usize>| row.map_or(Ok(()), |row| Err((row, Wrong::NotFinite)));
    match scalar {
        ScalarType::Bool
        | ScalarType::Int8
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::Timestamp
        // Arrays are checked item by item, and are never nested.
        | ScalarType::Array(_) => Ok(()),
        ScalarType::Float32 => {
            let numbers = array.as_primitive::<Float32Type>();
            not_finite(numbers.iter().position(|number| number.is_some_and(|x| !x.is_finite())))
        }
        ScalarType::Float64 => {
            let numbers = array.as_primitive::<Float64Type>();
            not_finite(numbers.iter().position(|number| number.is_some_and(|x| !x.is_finite())))
        }
        ScalarType::String | ScalarType::Json => {
            let texts = array.as_string::<i32>().iter().enumerate();
            for (row, text) in texts.filter_map(|(row, text)| Some((row, text?))) {
                if text.len() > limits::STRING_BYTES_MAX {
                    return Err((row, Wrong::Bytes(text.len())));
                }
                if scalar == ScalarType::Json {
                    check_json(text).map_err(|what| (row, Wrong::Json(what)))?;
                }
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{BooleanArray, Float32Array, Float64Array, ListArray, StringArray};
    use arrow_buffer::OffsetBuffer;
    use std::sync::Arc;
    use vicinal_types::ArrayItem;

    #[test]
    fn an_id_may_come_once_in_a_batch() {
        let error = check_distinct(&["a", "b", "a"]).expect_err("twice");
        assert!(error.to_string().contains("rows 0 and 2"), "{error}");
        assert!(check_distinct(&[1, 2, 3]).is_ok());
    }

    #[test]
    fn wrong_values_are_named_with_column_row_and_item() {
        let check = |scalar: ScalarType, array: ArrayRef, expected: &str| {
            let error = check_scalars("c", scalar, true, array.len(), &array).expect_err("wrong");
            assert!(error.to_string().contains(expected), "{error} does not say {expected:?}");
        };
        let floats: ArrayRef = Arc::new(Float32Array::from(vec![0.5, f32::NAN]));
        check(ScalarType::Float32, floats, "`c` holds NaN or an infinity in row 1");
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(65_537)]));
        check(ScalarType::String, texts.clone(), "65536 bytes a value, row 0 has 65537");
        let lists = |item: ArrayItem, items: ArrayRef, lengths: [usize; 2]| -> ArrayRef {
            let offsets = OffsetBuffer::from_lengths(lengths);
            Arc::new(ListArray::new(item.field(), offsets, items, None))
        };
        let (item, array) = (ArrayItem::String, ScalarType::Array(ArrayItem::String));
        check(array, lists(item, texts, [0, 1]), "row 1, item 0 has 65537");
        let (item, array) = (ArrayItem::Float64, ScalarType::Array(ArrayItem::Float64));
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.5, f64::INFINITY]));
        check(array, lists(item, floats, [2, 0]), "an infinity in row 0, item 1");
        let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true; 4_098]));
        let (item, array) = (ArrayItem::Bool, ScalarType::Array(ArrayItem::Bool));
        check(array, lists(item, flags.clone(), [1, 4_097]), "at most 4096 items, row 1 has 4097");
        let wrong = ScalarType::Array(ArrayItem::Int8);
        check(wrong, lists(item, flags, [1, 4_097]), "holds array<int8> values");
    }
}
