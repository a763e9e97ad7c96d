//! Guards: what the rows that a write meets decide when it is applied.

use super::Header;
use super::filter::{decode_part, filter_part};
use super::format::{CommandError, Envelope, Part, PartKind};
use crate::expiry;
use crate::filtering::CompiledFilter;
use crate::request::{Missing, UpsertCondition};
use bytes::Bytes;
use vicinal_types::{CollectionSpec, ColumnId, Result, Schema};

/// What decides which rows a write finds, and whether it writes.
#[derive(Default)]
pub(crate) struct Guard {
    /// What rows pass that have not expired at the command's time; none: all.
    pub(crate) living: Option<Box<CompiledFilter>>,
    /// What the live row of an id must pass.
    pub(crate) condition: Option<Box<CompiledFilter>>,
    /// Whether a row is left out if its id has no live row.
    pub(crate) existing_only: bool,
}

impl Guard {
    /// The filters that it asks.
    pub(crate) fn filters(&self) -> impl Iterator<Item = &CompiledFilter> {
        self.living.iter().chain(&self.condition).map(|filter| &**filter)
    }
}

/// Writes what tells rows that have expired at the command's time from the others, if
/// the collection's rows do.
///
/// # Errors
/// `Internal` if it does not fit the collection.
pub(crate) fn living_parts(header: &Header, spec: &CollectionSpec) -> Result<Vec<Part>> {
    let living = expiry::living(spec, header.time_micros);
    let part = living.map(|filter| filter_part(header, &spec.schema, PartKind::Living, &filter));
    part.into_iter().collect()
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
    let filter = |kind| {
        let filter = find(kind).map(|part| decode_part(envelope, part, schema));
        filter.transpose().map(|filter| filter.map(Box::new))
    };
    Ok(Guard {
        living: filter(PartKind::Living)?,
        condition: filter(PartKind::Condition)?,
        existing_only: find(PartKind::ExistingOnly).is_some(),
    })
}
