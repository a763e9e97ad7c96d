//! Writes at the door: checked against the schema before they are proposed, so
//! that applying them cannot fail.

use crate::columns;
use crate::command::CheckedRows;
use crate::vectors;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef};
use std::collections::HashMap;
use std::hash::Hash;
use vicinal_types::{ColumnId, Error, IdType, Ids, Result, RowBatch, ScalarType, Schema, limits};

/// Checks rows against the schema and brings them into stored form.
///
/// # Errors
/// `Invalid` naming column, row and limit.
pub(crate) fn rows(schema: &Schema, batch: &RowBatch) -> Result<CheckedRows> {
    ids(schema, &batch.ids)?;
    let len = batch.ids.len();
    check_columns(schema, batch)?;
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
            None if nullable => scalars.push((column.id, columns::nulls(scalar, len))),
            None => {
                return Err(Error::invalid(format!(
                    "column `{}` is missing and takes no nulls",
                    column.name
                )));
            }
        }
    }
    Ok(CheckedRows { ids: batch.ids.clone(), vectors: encoded, scalars })
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

fn check_columns(schema: &Schema, batch: &RowBatch) -> Result<()> {
    let vectors = batch.vectors.iter().map(|(id, _)| *id);
    let given: Vec<ColumnId> = vectors.chain(batch.scalars.iter().map(|(id, _)| *id)).collect();
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
    match scalar {
        ScalarType::Bool | ScalarType::Int64 | ScalarType::Timestamp => Ok(()),
        ScalarType::Float64 => {
            let numbers = array.as_primitive::<Float64Type>();
            let wrong = numbers.iter().position(|number| number.is_some_and(|x| !x.is_finite()));
            wrong.map_or(Ok(()), |row| refuse(format!("holds NaN or an infinity in row {row}")))
        }
        ScalarType::String | ScalarType::Json => {
            let texts = array.as_string::<i32>();
            for (row, text) in texts.iter().enumerate() {
                let Some(text) = text else { continue };
                let (len, max) = (text.len(), limits::STRING_BYTES_MAX);
                if len > max {
                    return refuse(format!(
                        "takes at most {max} bytes a value, row {row} has {len}"
                    ));
                }
                if scalar == ScalarType::Json {
                    check_json(text).or_else(|what| refuse(format!("row {row} {what}")))?;
                }
            }
            Ok(())
        }
    }
}

/// Depth first, without recursion, so that no document can exhaust the stack;
/// then the grammar.
fn check_json(text: &str) -> Result<(), String> {
    let max = limits::JSON_DEPTH_MAX;
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > max {
            return Err(format!("is JSON nested deeper than {max} levels"));
        }
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("is not JSON: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_checked_for_depth_and_grammar() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(check_json(&nested(64)), Ok(()));
        assert!(check_json(&nested(65)).is_err_and(|what| what.contains("64 levels")));
        assert!(check_json(&"[".repeat(60_000)).is_err_and(|what| what.contains("64 levels")));
        assert_eq!(check_json(r#"{"a": "[[[[\"[[["}"#), Ok(()));
        assert!(check_json("{a: 1}").is_err_and(|what| what.contains("is not JSON")));
    }

    #[test]
    fn an_id_may_come_once_in_a_batch() {
        let error = check_distinct(&["a", "b", "a"]).expect_err("twice");
        assert!(error.to_string().contains("rows 0 and 2"), "{error}");
        assert!(check_distinct(&[1, 2, 3]).is_ok());
    }
}
