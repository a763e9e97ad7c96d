//! Conditions on rows.

use std::collections::HashMap;
use vicinal_api::v1 as proto;

/// A condition in the filter language, with values for its parameters.
///
/// What others typed goes into parameters, never into the text:
/// ```
/// use vicinal_client::Filter;
///
/// let typed = "tea or 1 = 1";
/// let filter = Filter::new("word = {word} and length(tags) < {most}")
///     .parameter("word", typed)
///     .parameter("most", 3);
/// # let _ = filter;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    text: String,
    parameters: HashMap<String, proto::FilterValue>,
}

/// The value of a parameter of a [`Filter`]: a bool, a number, a string, or a list of
/// them.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterValue(proto::FilterValue);

impl Filter {
    /// A condition like `price < {max} and category in ["a", "b"]`. What is wrong with
    /// it is said by the server, with the place in the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), parameters: HashMap::new() }
    }

    /// Gives the parameter `{name}` its value.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<FilterValue>) -> Self {
        self.parameters.insert(name.into(), value.into().0);
        self
    }

    pub(crate) fn into_message(self) -> proto::Filter {
        let Self { text, parameters } = self;
        proto::Filter { form: Some(proto::filter::Form::Text(text)), parameters }
    }
}

impl From<&str> for Filter {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Filter {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl FilterValue {
    /// A point in time, in microseconds since 1970-01-01 UTC.
    pub fn timestamp(micros: i64) -> Self {
        Self::of(proto::filter_value::Kind::TimestampValue(micros))
    }

    fn of(kind: proto::filter_value::Kind) -> Self {
        Self(proto::FilterValue { kind: Some(kind) })
    }
}

impl From<bool> for FilterValue {
    fn from(value: bool) -> Self {
        Self::of(proto::filter_value::Kind::BoolValue(value))
    }
}

impl From<i64> for FilterValue {
    fn from(value: i64) -> Self {
        Self::of(proto::filter_value::Kind::IntValue(value))
    }
}

impl From<i32> for FilterValue {
    fn from(value: i32) -> Self {
        Self::from(i64::from(value))
    }
}

impl From<f64> for FilterValue {
    fn from(value: f64) -> Self {
        Self::of(proto::filter_value::Kind::FloatValue(value))
    }
}

impl From<&str> for FilterValue {
    fn from(value: &str) -> Self {
        Self::from(value.to_owned())
    }
}

impl From<String> for FilterValue {
    fn from(value: String) -> Self {
        Self::of(proto::filter_value::Kind::StringValue(value))
    }
}

impl<T: Into<FilterValue>> From<Vec<T>> for FilterValue {
    fn from(values: Vec<T>) -> Self {
        let values = values.into_iter().map(|value| value.into().0).collect();
        Self::of(proto::filter_value::Kind::ListValue(proto::FilterValues { values }))
    }
}
