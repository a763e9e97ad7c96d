//! Guards: what the live rows of a write's ids decide when it is applied.

use super::Header;
use super::filter::{decode_part, filter_part};
use super::format::{CommandError, Envelope, Part, PartKind};
use crate::filtering::CompiledFilter;
use crate::request::{Missing, UpsertCondition};
use bytes::Bytes;
use vicinal_types::{ColumnId, Result, Schema};

/// What decides whether a row of a write by ids is written.
#[derive(Default)]
pub(crate) struct Guard {
    /// What the live row of its id must pass.
    pub(crate) condition: Option<Box<CompiledFilter>>,
    /// Whether it is left out if its id has no live row.
    pub(crate) existing_only: bool,
}

impl Guard {
    /// Whether it reads columns of rows that are there.
    pub(crate) fn has_filter(&self) -> bool {
        self.condition.is_some()
    }
}

/// Checks the condition of an upsert and writes it.
///
/// # Errors
/// `Invalid` with the place in the filter's text.
pub(crate) fn guard_parts(
    header: &Header,
    schema: &Schema,
    condition: &UpsertCondition,
) -> Result<Vec<Part>> {
    let filter = condition.filter.as_ref();
    let filter = filter.map(|filter| filter_part(header, schema, PartKind::Condition, filter));
    let mut parts: Vec<_> = filter.into_iter().collect::<Result<_>>()?;
    match condition.missing {
        Missing::Insert => {}
        Missing::LeaveOut => parts.push(Part {
            kind: PartKind::ExistingOnly,
            column: ColumnId(0),
            bytes: Bytes::new(),
        }),
    }
    Ok(parts)
}

/// The guard of a write.
pub(crate) fn decode_guard(
    envelope: &Envelope,
    parts: &[Part],
    schema: &Schema,
) -> Result<Guard, CommandError> {
    let find = |kind| parts.iter().find(|part| part.kind == kind);
    let condition = find(PartKind::Condition).map(|part| decode_part(envelope, part, schema));
    Ok(Guard {
        condition: condition.transpose()?.map(Box::new),
        existing_only: find(PartKind::ExistingOnly).is_some(),
    })
}
