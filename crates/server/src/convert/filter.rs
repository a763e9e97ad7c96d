//! Filters, as a text or as a tree, with the values of their parameters.

use vicinal_api::v1;
use vicinal_api::v1::filter::Form;
use vicinal_api::v1::{FilterOperator, expression, filter_value};
use vicinal_engine::RowFilter;
use vicinal_filter::{Expression, Node, Operator, Parameters, Value};
use vicinal_types::{Error, Result, limits};

/// Parses a filter; whether it fits a collection is the engine's to say.
pub(crate) fn filter_in(filter: v1::Filter) -> Result<RowFilter> {
    let v1::Filter { form, parameters } = filter;
    let expression = match form {
        Some(Form::Text(text)) => Expression::parse(&text)?,
        Some(Form::Tree(tree)) => {
            let mut nodes_left = limits::FILTER_TOKENS_MAX;
            Expression::new(node_in(tree, &mut nodes_left)?)?
        }
        None => {
            return Err(Error::invalid(
                "the filter is empty; set its `text` or its `tree`, or leave it out for all rows",
            ));
        }
    };
    let parameter = |(name, value)| match value_in(value) {
        Ok(value) => Ok((name, value)),
        Err(reason) => Err(Error::invalid(format!("parameter {{{name}}} of the filter {reason}"))),
    };
    let parameters = parameters.into_iter().map(parameter).collect::<Result<Parameters>>()?;
    Ok(RowFilter { expression, parameters })
}

/// A node and what is below it. Protobuf decodes a hundred levels at most.
fn node_in(tree: v1::Expression, nodes_left: &mut usize) -> Result<Node> {
    let max = limits::FILTER_TOKENS_MAX;
    *nodes_left = nodes_left.checked_sub(1).ok_or_else(|| {
        Error::invalid(format!(
            "the tree of the filter has more than {max} nodes; lists of values go into parameters"
        ))
    })?;
    let v1::Expression { kind, operands } = tree;
    let is_operator = matches!(kind, Some(expression::Kind::Operator(_)));
    if !is_operator && !operands.is_empty() {
        return Err(Error::invalid("a node of the filter's tree has operands and no operator"));
    }
    Ok(match kind {
        Some(expression::Kind::Column(name)) => Node::column(name),
        Some(expression::Kind::Parameter(name)) => Node::parameter(name),
        Some(expression::Kind::Value(value)) => Node::value(value_in(value).map_err(|reason| {
            Error::invalid(format!("a constant in the filter's tree {reason}"))
        })?),
        Some(expression::Kind::Operator(operator)) => {
            let operator = operator_in(operator)?;
            let operands = operands.into_iter().map(|operand| node_in(operand, nodes_left));
            Node::call(operator, operands.collect::<Result<_>>()?)
        }
        None => return Err(Error::invalid("a node of the filter's tree is empty")),
    })
}

/// A value, or what is wrong with it.
fn value_in(value: v1::FilterValue) -> Result<Value, String> {
    use filter_value::Kind;
    Ok(match value.kind {
        None => return Err("has no value".to_owned()),
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::IntValue(value)) => Value::Int(value),
        Some(Kind::FloatValue(value)) if !value.is_finite() => {
            return Err(format!("is {value}, which no row has"));
        }
        Some(Kind::FloatValue(value)) => Value::Float(value),
        Some(Kind::StringValue(text)) => Value::Text(text),
        Some(Kind::TimestampValue(micros)) => Value::Timestamp(micros),
        Some(Kind::IntervalValue(micros)) => Value::Interval(micros),
        Some(Kind::ListValue(v1::FilterValues { values })) => {
            let (count, max) = (values.len(), limits::FILTER_LIST_MAX);
            if count > max {
                return Err(format!("has {count} values, the limit is {max}"));
            }
            let item = |item: v1::FilterValue| match item.kind {
                Some(Kind::ListValue(_)) => Err("has a list in a list".to_owned()),
                _ => value_in(item),
            };
            Value::List(values.into_iter().map(item).collect::<Result<_, _>>()?)
        }
    })
}

fn operator_in(operator: i32) -> Result<Operator> {
    let wrong = || Error::invalid(format!("{operator} is no operator of a filter"));
    Ok(match FilterOperator::try_from(operator).map_err(|_| wrong())? {
        FilterOperator::Unspecified => {
            return Err(Error::invalid("a node of the filter's tree does not say which operator"));
        }
        FilterOperator::Or => Operator::Or,
        FilterOperator::And => Operator::And,
        FilterOperator::Not => Operator::Not,
        FilterOperator::Equal => Operator::Equal,
        FilterOperator::NotEqual => Operator::NotEqual,
        FilterOperator::Less => Operator::Less,
        FilterOperator::LessOrEqual => Operator::LessOrEqual,
        FilterOperator::Greater => Operator::Greater,
        FilterOperator::GreaterOrEqual => Operator::GreaterOrEqual,
        FilterOperator::In => Operator::In,
        FilterOperator::Between => Operator::Between,
        FilterOperator::Like => Operator::Like,
        FilterOperator::Matches => Operator::Matches,
        FilterOperator::IsNull => Operator::IsNull,
        FilterOperator::Contains => Operator::Contains,
        FilterOperator::ContainsAny => Operator::ContainsAny,
        FilterOperator::ContainsAll => Operator::ContainsAll,
        FilterOperator::Add => Operator::Add,
        FilterOperator::Subtract => Operator::Subtract,
        FilterOperator::Multiply => Operator::Multiply,
        FilterOperator::Divide => Operator::Divide,
        FilterOperator::Remainder => Operator::Remainder,
        FilterOperator::Negate => Operator::Negate,
        FilterOperator::List => Operator::List,
        FilterOperator::Now => Operator::Now,
        FilterOperator::Length => Operator::Length,
        FilterOperator::DateTrunc => Operator::DateTrunc,
        FilterOperator::JsonGet => Operator::JsonGet,
    })
}
