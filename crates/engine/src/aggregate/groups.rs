//! From the values of a column to the numbers of groups.

use super::tally::{ints, texts};
use super::{GroupBy, Scalar};
use crate::memory::GroupTexts;
use crate::segment::Rows;
use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;
use vicinal_filter::TimeUnit;
use vicinal_types::{ArrayItem, Error, Result, ScalarType, ScalarValue, Schema, limits};

/// The groups found so far, numbered as they were met.
pub(super) struct Groups<'a> {
    by: Option<Scalar<'a>>,
    unit: Option<TimeUnit>,
    /// Bools, integers and timestamps.
    of_ints: HashMap<i64, u32>,
    of_texts: HashMap<String, u32>,
    of_null: Option<u32>,
    keys: Vec<Option<ScalarValue>>,
    bytes: usize,
    /// Values of a batch.
    values: Vec<Option<i64>>,
}

impl<'a> Groups<'a> {
    /// # Errors
    /// `Invalid` for a column whose values are no keys.
    pub(super) fn new(schema: &'a Schema, by: &GroupBy) -> Result<Self> {
        let (by, unit) = match by {
            GroupBy::Nothing => (None, None),
            GroupBy::Column(name) => (Some(Scalar::named(schema, name)?), None),
            GroupBy::Time { column, unit } => (Some(Scalar::named(schema, column)?), Some(*unit)),
        };
        if let Some(by) = by {
            // Rows with an array are of the groups of its items.
            let item = by.scalar.item().map_or(by.scalar, ArrayItem::scalar);
            check(Scalar { scalar: item, ..by }, unit)?;
        }
        Ok(Self {
            by,
            unit,
            of_ints: HashMap::new(),
            of_texts: HashMap::new(),
            of_null: None,
            keys: if by.is_none() { vec![None] } else { Vec::new() },
            bytes: 0,
            values: Vec::new(),
        })
    }

    /// How many groups there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Bytes of their texts.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What their rows have in common, by their numbers.
    pub(super) fn into_keys(self) -> Vec<Option<ScalarValue>> {
        self.keys
    }

    /// The group of each row of a batch; a row of several groups takes as many places in
    /// the batch from then on, one of none takes none; `held` counts the texts of those
    /// that are new.
    ///
    /// # Errors
    /// `Invalid` if there are too many groups, or bytes of them.
    pub(super) fn assign(
        &mut self,
        rows: &Rows,
        batch: &mut Vec<u32>,
        held: &GroupTexts,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        out.clear();
        let Some(by) = self.by else {
            out.resize(batch.len(), 0);
            return Ok(());
        };
        let (array, places) = by.values(rows, batch);
        match by.scalar.item() {
            None => self.number(by.scalar, (&array, &places), held, out),
            Some(item) => {
                let members =
                    self.number_items(item.scalar(), &array, (batch, &places), held, out)?;
                *batch = members;
                Ok(())
            }
        }
    }

    /// The groups of the items of each array, once each, that of null for a null, and the
    /// row of each.
    fn number_items(
        &mut self,
        item: ScalarType,
        array: &ArrayRef,
        (batch, places): (&[u32], &[u32]),
        held: &GroupTexts,
        out: &mut Vec<u32>,
    ) -> Result<Vec<u32>> {
        let lists = array.as_list::<i32>();
        let ends = lists.value_offsets();
        let range = |place: usize| -> Range<u32> {
            if lists.is_null(place) {
                return 0..0;
            }
            let end = |at: usize| u32::try_from(ends[at]).expect("offsets are not negative");
            end(place)..end(place + 1)
        };
        let items: Vec<_> = places.iter().flat_map(|place| range(*place as usize)).collect();
        let mut groups = Vec::with_capacity(items.len());
        self.number(item, (lists.values(), &items), held, &mut groups)?;
        let (mut left, mut members) = (&mut groups[..], Vec::with_capacity(batch.len()));
        for (&row, &place) in batch.iter().zip(places) {
            if lists.is_null(place as usize) {
                members.push(row);
                out.push(self.null()?);
                continue;
            }
            let (own, rest) = left.split_at_mut(range(place as usize).len());
            left = rest;
            own.sort_unstable();
            for run in own.chunk_by(|a, b| a == b) {
                members.push(row);
                out.push(run[0]);
            }
        }
        Ok(members)
    }

    /// Appends the groups of the values at some places of an array.
    fn number(
        &mut self,
        scalar: ScalarType,
        (array, places): (&ArrayRef, &[u32]),
        held: &GroupTexts,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        if scalar == ScalarType::String {
            for text in texts(array, places) {
                let group = match text {
                    None => self.null()?,
                    Some(text) => self.text(text, held)?,
                };
                out.push(group);
            }
            return Ok(());
        }
        let mut values = std::mem::take(&mut self.values);
        ints(scalar, array, places, &mut values);
        debug_assert_eq!(values.len(), places.len(), "{}", array.data_type());
        for value in &values {
            let value = match (value, self.unit) {
                (Some(value), Some(unit)) => unit.truncate(*value),
                (value, _) => *value,
            };
            let group = match value {
                None => self.null()?,
                Some(value) => self.int(value, scalar)?,
            };
            out.push(group);
        }
        self.values = values;
        Ok(())
    }

    fn null(&mut self) -> Result<u32> {
        match self.of_null {
            Some(group) => Ok(group),
            None => {
                let group = self.add(None)?;
                self.of_null = Some(group);
                Ok(group)
            }
        }
    }

    fn int(&mut self, value: i64, scalar: ScalarType) -> Result<u32> {
        if let Some(&group) = self.of_ints.get(&value) {
            return Ok(group);
        }
        let is_bool = scalar == ScalarType::Bool;
        let key = if is_bool { ScalarValue::Bool(value != 0) } else { ScalarValue::Int(value) };
        let group = self.add(Some(key))?;
        self.of_ints.insert(value, group);
        Ok(group)
    }

    fn text(&mut self, text: &str, held: &GroupTexts) -> Result<u32> {
        if let Some(&group) = self.of_texts.get(text) {
            return Ok(group);
        }
        // As the key and to find it by.
        held.hold(2 * text.len())?;
        self.bytes += 2 * text.len();
        let group = self.add(Some(ScalarValue::Text(text.to_owned())))?;
        self.of_texts.insert(text.to_owned(), group);
        Ok(group)
    }

    fn add(&mut self, key: Option<ScalarValue>) -> Result<u32> {
        let (count, max) = (self.keys.len(), limits::GROUPS_MAX);
        if count == max {
            let name = self.by.map_or("", |by| by.column.name.as_str());
            return Err(Error::invalid(format!(
                "column `{name}` makes more groups than the limit of {max}; filter, or group by a column with fewer values"
            )));
        }
        self.keys.push(key);
        u32::try_from(count).map_err(|_| Error::internal("group numbers have 32 bits"))
    }
}

/// Whether the values of a column are keys of groups.
pub(super) fn check(Scalar { column, scalar }: Scalar<'_>, unit: Option<TimeUnit>) -> Result<()> {
    let name = &column.name;
    match scalar {
        ScalarType::Timestamp => Ok(()),
        ScalarType::Bool
        | ScalarType::Int8
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::String
            if unit.is_none() =>
        {
            Ok(())
        }
        ScalarType::Bool
        | ScalarType::Int8
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::String => Err(Error::invalid(format!(
            "column `{name}` holds {scalar} values; stretches of time are those of a timestamp column"
        ))),
        ScalarType::Float32 | ScalarType::Float64 | ScalarType::Json | ScalarType::Array(_) => {
            Err(Error::invalid(format!(
                "column `{name}` holds {scalar} values; groups are those of bools, integers, timestamps and strings"
            )))
        }
    }
}

/// Keys of one column in their order, null last.
pub(super) fn compare(a: Option<&ScalarValue>, b: Option<&ScalarValue>) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(ScalarValue::Bool(a)), Some(ScalarValue::Bool(b))) => a.cmp(b),
        (Some(ScalarValue::Int(a)), Some(ScalarValue::Int(b))) => a.cmp(b),
        (Some(ScalarValue::Text(a)), Some(ScalarValue::Text(b))) => a.cmp(b),
        (Some(a), Some(b)) => unreachable!("{a} and {b} are no keys of one column"),
    }
}
