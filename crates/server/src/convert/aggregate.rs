//! Aggregations and their groups.

use super::filter::filter_in;
use super::scalar_columns::value_out;
use vicinal_api::v1;
use vicinal_engine::{Aggregate, Aggregated, Figure, Function, Group, GroupBy, GroupOrder};
use vicinal_filter::TimeUnit;
use vicinal_types::{Error, Result, ScalarValue, limits};

/// Groups of an answer when the request names no number.
const GROUPS_DEFAULT: u32 = 100;

/// Parses an aggregation; whether it fits a collection is the engine's to say.
pub(crate) fn aggregate_in(request: v1::AggregateRequest) -> Result<Aggregate> {
    let (count, max) = (request.figures.len(), limits::FIGURES_MAX);
    if count > max {
        return Err(Error::invalid(format!(
            "{count} figures of each group are more than the limit of {max}; ask twice"
        )));
    }
    let unit = unit_in(request.time_unit)?;
    let group_by = match (request.group_by, unit) {
        (column, Some(_)) if column.is_empty() => {
            return Err(Error::invalid("time_unit is set and group_by is not; name the column"));
        }
        (column, None) if column.is_empty() => GroupBy::Nothing,
        (column, Some(unit)) => GroupBy::Time { column, unit },
        (column, None) => GroupBy::Column(column),
    };
    let order = match v1::GroupOrder::try_from(request.order) {
        Ok(v1::GroupOrder::Unspecified | v1::GroupOrder::Count) => GroupOrder::Count,
        Ok(v1::GroupOrder::Key) => GroupOrder::Key,
        Err(_) => {
            let number = request.order;
            return Err(Error::invalid(format!("{number} is no GroupOrder; use COUNT or KEY")));
        }
    };
    let limit = if request.limit == 0 { GROUPS_DEFAULT } else { request.limit };
    Ok(Aggregate {
        filter: request.filter.map(filter_in).transpose()?,
        group_by,
        figures: request.figures.into_iter().map(figure_in).collect::<Result<_>>()?,
        order,
        limit: limit as usize,
        partial_ok: request.options.is_some_and(|options| options.partial_ok),
    })
}

fn unit_in(number: i32) -> Result<Option<TimeUnit>> {
    let unit = v1::TimeUnit::try_from(number)
        .map_err(|_| Error::invalid(format!("{number} is no TimeUnit; use SECOND to YEAR")))?;
    Ok(match unit {
        v1::TimeUnit::Unspecified => None,
        v1::TimeUnit::Second => Some(TimeUnit::Second),
        v1::TimeUnit::Minute => Some(TimeUnit::Minute),
        v1::TimeUnit::Hour => Some(TimeUnit::Hour),
        v1::TimeUnit::Day => Some(TimeUnit::Day),
        v1::TimeUnit::Week => Some(TimeUnit::Week),
        v1::TimeUnit::Month => Some(TimeUnit::Month),
        v1::TimeUnit::Quarter => Some(TimeUnit::Quarter),
        v1::TimeUnit::Year => Some(TimeUnit::Year),
    })
}

fn figure_in(figure: v1::Figure) -> Result<Figure> {
    let function = match v1::Function::try_from(figure.function) {
        Ok(v1::Function::Count) => Function::Count,
        Ok(v1::Function::Min) => Function::Min,
        Ok(v1::Function::Max) => Function::Max,
        Ok(v1::Function::Sum) => Function::Sum,
        Ok(v1::Function::Avg) => Function::Avg,
        Ok(v1::Function::Unspecified) | Err(_) => {
            let (name, number) = (figure.column, figure.function);
            return Err(Error::invalid(format!(
                "the figure of column {name:?} names no function ({number}); use COUNT, MIN, MAX, SUM or AVG"
            )));
        }
    };
    Ok(Figure { function, column: figure.column })
}

/// Turns groups into their message.
pub(crate) fn aggregated_out(answer: Aggregated) -> v1::AggregateResponse {
    let Aggregated { rows, group_count, groups } = answer;
    let groups = groups.into_iter().map(group_out).collect();
    v1::AggregateResponse { rows, group_count, groups, missing_rows: Vec::new() }
}

fn group_out(group: Group) -> v1::Group {
    let Group { key, rows, values } = group;
    let value = |value: Option<ScalarValue>| value.map_or(v1::Value { kind: None }, value_out);
    v1::Group { key: key.map(value_out), rows, values: values.into_iter().map(value).collect() }
}
