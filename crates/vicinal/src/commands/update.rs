//! `vicinal update`.

use crate::connection::{Target, block_on, parse_ids};
use crate::failure::Failure;
use crate::filter::FilterArgs;
use crate::output;
use serde_json::{Value, json};
use vicinal_client::{Rows, ScalarType, Scalars, proto, scalar_type};

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal update -c words 42 43 --set gloss='a lake'
  vicinal update -c words 42 --filter 'version={v}' --param v=3 --set version=4
  vicinal update -c words --filter 'relations<{least}' --param least=2 --set gloss=null";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,

    /// The ids of rows to update; with --filter only those that pass, without ids all that
    /// pass.
    #[arg(value_name = "ID", required_unless_present = "filter")]
    ids: Vec<String>,

    #[command(flatten)]
    filter: FilterArgs,

    /// A scalar column and its new value in all these rows: as the column's type, a
    /// JSON list for an array, or `null`; text in quotes is a string in any case.
    #[arg(long = "set", value_name = "NAME=VALUE", required = true)]
    sets: Vec<String>,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let collection = args.target.connect().await?;
        let spec = collection.describe().await?.spec.unwrap_or_default();
        let filter = args.filter.filter()?;
        let passing = if filter.is_some() { " that passes" } else { "" };
        let answer = match filter {
            Some(filter) if args.ids.is_empty() => {
                let mut update = collection.update_where(filter);
                for set in &args.sets {
                    let (name, values) = parse_set(set, 1, &spec)?;
                    update = update.column(name, values);
                }
                update.send().await?
            }
            filter => {
                let mut rows = Rows::new(parse_ids(&args.ids, &spec)?);
                for set in &args.sets {
                    let (name, values) = parse_set(set, args.ids.len(), &spec)?;
                    rows = rows.column(name, values);
                }
                match filter {
                    None => collection.update(rows).await?,
                    Some(filter) => collection.update_if(rows, filter).await?,
                }
            }
        };
        let missing: Vec<_> = answer.missing.iter().map(|at| &args.ids[*at as usize]).collect();
        if args.json {
            return output::json(&json!({ "updated": answer.updated, "missing": missing }));
        }
        output::note(format_args!("updated {} rows", output::count(answer.updated)));
        for id in missing {
            output::note(format_args!("there is no row {id}{passing}"));
        }
        Ok(())
    })
}

/// The column of a `--set` and its value, `rows` times.
fn parse_set<'a>(
    set: &'a str,
    rows: usize,
    spec: &proto::CollectionSpec,
) -> Result<(&'a str, Scalars), Failure> {
    let Some((name, text)) = set.split_once('=') else {
        return Err(Failure::new(format!("--set `{set}` is not of the form NAME=VALUE")));
    };
    let column = spec.columns.iter().find(|column| column.name == name);
    let Some(column) = column else {
        let collection = &spec.name;
        return Err(Failure::new(format!(
            "--set `{set}`: collection `{collection}` has no scalar column `{name}`"
        )));
    };
    let values = scalar_type(column).and_then(|scalar| values_of(scalar, text, rows));
    let values = values.ok_or_else(|| {
        let kind = scalar_type(column).map_or_else(String::new, |scalar| scalar.to_string());
        Failure::new(format!("--set `{set}`: column `{name}` holds {kind} values"))
    })?;
    Ok((name, values))
}

/// A value of a type, so many times; none if the text is no such value.
fn values_of(scalar: ScalarType, text: &str, rows: usize) -> Option<Scalars> {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|_| text.into());
    if let Some(item) = scalar.item() {
        let items = if value.is_null() { None } else { Some(value.as_array()?.as_slice()) };
        return arrays_of(item.scalar(), items, rows);
    }
    Some(match scalar {
        ScalarType::Bool => vec![or_null(&value, Value::as_bool)?; rows].into(),
        ScalarType::Int8 | ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => {
            vec![or_null(&value, Value::as_i64)?; rows].into()
        }
        ScalarType::Timestamp => Scalars::timestamps(vec![or_null(&value, Value::as_i64)?; rows]),
        ScalarType::Float32 => vec![or_null(&value, as_f32)?; rows].into(),
        ScalarType::Float64 => vec![or_null(&value, Value::as_f64)?; rows].into(),
        ScalarType::String => {
            // A number or list without quotes is text, too.
            let own = |value: &Value| Some(value.as_str().unwrap_or(text).to_owned());
            vec![or_null(&value, own)?; rows].into()
        }
        ScalarType::Json => {
            Scalars::json(vec![or_null(&value, |value| Some(value.to_string()))?; rows])
        }
        ScalarType::Array(_) => return None,
    })
}

fn arrays_of(scalar: ScalarType, items: Option<&[Value]>, rows: usize) -> Option<Scalars> {
    Some(match scalar {
        ScalarType::Bool => vec![all(items, Value::as_bool)?; rows].into(),
        ScalarType::Int8 | ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => {
            vec![all(items, Value::as_i64)?; rows].into()
        }
        ScalarType::Timestamp => Scalars::timestamp_arrays(vec![all(items, Value::as_i64)?; rows]),
        ScalarType::Float32 => vec![all(items, as_f32)?; rows].into(),
        ScalarType::Float64 => vec![all(items, Value::as_f64)?; rows].into(),
        ScalarType::String => {
            vec![all(items, |value| value.as_str().map(str::to_owned))?; rows].into()
        }
        ScalarType::Json | ScalarType::Array(_) => return None,
    })
}

/// The value, or a null; none if it is neither.
#[expect(clippy::option_option, reason = "a null is a value")]
fn or_null<T>(value: &Value, of: impl Fn(&Value) -> Option<T>) -> Option<Option<T>> {
    if value.is_null() { Some(None) } else { of(value).map(Some) }
}

#[expect(clippy::option_option, reason = "a null is a value")]
fn all<T>(items: Option<&[Value]>, of: impl Fn(&Value) -> Option<T>) -> Option<Option<Vec<T>>> {
    match items {
        None => Some(None),
        Some(items) => items.iter().map(of).collect::<Option<Vec<_>>>().map(Some),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to the column's type is meant")]
fn as_f32(value: &Value) -> Option<f32> {
    value.as_f64().map(|value| value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_client::ArrayItem;

    #[test]
    fn values_are_read_as_the_column_has_them() {
        let check = |scalar, text: &str, expected: Option<Scalars>| {
            assert_eq!(values_of(scalar, text, 2), expected, "{scalar} {text}");
        };
        check(ScalarType::Int8, "12", Some(vec![Some(12_i64); 2].into()));
        check(ScalarType::Int64, "1.5", None);
        check(ScalarType::Bool, "yes", None);
        check(ScalarType::Float64, "null", Some(vec![None::<f64>; 2].into()));
        check(ScalarType::String, "12", Some(vec![Some("12".to_owned()); 2].into()));
        check(ScalarType::String, "\"null\"", Some(vec![Some("null".to_owned()); 2].into()));
        check(ScalarType::String, "null", Some(vec![None::<String>; 2].into()));
        check(ScalarType::Timestamp, "7", Some(Scalars::timestamps(vec![Some(7); 2])));
        let ints = ScalarType::Array(ArrayItem::Int16);
        check(ints, "[1, 2]", Some(vec![Some(vec![1_i64, 2]); 2].into()));
        check(ints, "[1, \"a\"]", None);
        check(ints, "7", None);
    }
}
