//! Filters on the command line.

use crate::failure::Failure;
use vicinal_client::{Filter, FilterValue};

/// Which rows.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FilterArgs {
    /// Only rows that pass, for example `pos = {pos} and length(word) < 8`.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,

    /// The value of a `{name}` in the filter: a number, `true`, a JSON list, or else a
    /// string; text in quotes is a string in any case.
    #[arg(long = "param", value_name = "NAME=VALUE", requires = "filter")]
    parameters: Vec<String>,
}

impl FilterArgs {
    /// The filter, if there is one.
    pub(crate) fn filter(&self) -> Result<Option<Filter>, Failure> {
        parse(self.filter.as_deref(), &self.parameters)
    }
}

/// What a row must pass that is there, for another to take its place.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ConditionArgs {
    /// With --upsert: replace only rows that pass as they are then, for example
    /// `version < {v}`; new ids are added.
    #[arg(long = "if", value_name = "TEXT", requires = "upsert")]
    condition: Option<String>,

    /// The value of a `{name}` in --if: a number, `true`, a JSON list, or else a string;
    /// text in quotes is a string in any case.
    #[arg(long = "param", value_name = "NAME=VALUE", requires = "condition")]
    parameters: Vec<String>,
}

impl ConditionArgs {
    /// The condition, if there is one.
    pub(crate) fn filter(&self) -> Result<Option<Filter>, Failure> {
        parse(self.condition.as_deref(), &self.parameters)
    }
}

fn parse(text: Option<&str>, parameters: &[String]) -> Result<Option<Filter>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let mut filter = Filter::new(text);
    for parameter in parameters {
        let Some((name, value)) = parameter.split_once('=') else {
            return Err(Failure::new(format!(
                "--param `{parameter}` is not of the form NAME=VALUE"
            )));
        };
        let value = value_of(value)
            .map_err(|reason| Failure::new(format!("--param `{parameter}`: {reason}")))?;
        filter = filter.parameter(name, value);
    }
    Ok(Some(filter))
}

/// A value as JSON, or else a string.
fn value_of(text: &str) -> Result<FilterValue, &'static str> {
    match serde_json::from_str(text) {
        Ok(value) => value_of_json(value),
        Err(_) => Ok(FilterValue::from(text)),
    }
}

fn value_of_json(value: serde_json::Value) -> Result<FilterValue, &'static str> {
    use serde_json::Value;
    match value {
        Value::Bool(value) => Ok(value.into()),
        Value::String(text) => Ok(text.into()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Ok(value.into()),
            (None, Some(value)) => Ok(value.into()),
            (None, None) => Err("that number is too large"),
        },
        Value::Array(values) => {
            let values = values.into_iter().map(value_of_json).collect::<Result<Vec<_>, _>>()?;
            Ok(values.into())
        }
        Value::Null => Err("there is no null value; write `is null` in the filter"),
        Value::Object(_) => Err("a value is no JSON object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_they_look_like_and_else_strings() {
        let check = |text: &str, expected: FilterValue| assert_eq!(value_of(text), Ok(expected));
        check("12", 12.into());
        check("-0.5", (-0.5).into());
        check("true", true.into());
        check("noun.food", "noun.food".into());
        check("\"12\"", "12".into());
        check("", "".into());
        check("[\"a\", \"b\"]", vec!["a", "b"].into());
        assert!(value_of("null").is_err() && value_of("{}").is_err());
    }
}
