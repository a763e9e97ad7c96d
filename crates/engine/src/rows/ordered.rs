//! Walks over rows in the order of a column or of their ids.
//!
//! A page is the first rows behind the last one: of all rows that pass only as many are
//! kept as the page has. What a walk has come to is a value and an id, so rows may be
//! written between two pages: those that stay as they are come once.

use crate::aggregate::scalar_column;
use crate::columns::{self, IdRef, id_ref};
use crate::cursor::{self, decode_id, encode_id, id_of};
use crate::filtering::{CompiledFilter, Passing};
use crate::first::First;
use crate::request::{Direction, OrderBy};
use crate::segment::Rows;
use crate::shard::{SegmentView, View};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array as _, ArrayRef};
use std::cmp::Reverse;
use vicinal_types::{Cancel, Column, Error, Result, RowId, ScalarType, Schema};

/// Rows that are looked at between two looks at the clock.
const BLOCK_ROWS: usize = 4_096;

/// Where a row stands among those of one column: those that come first are less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank<'a> {
    /// Bools, integers, timestamps, and floats by their bits; upside down if the greatest
    /// comes first.
    Number(i64),
    Text(&'a str),
    TextDown(Reverse<&'a str>),
    Null,
    /// Rows in the order of their ids.
    Id(IdRef<'a>),
    IdDown(Reverse<IdRef<'a>>),
}

/// A [`Rank`] and the id: where a page ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cursor {
    /// The column's number; none: ids.
    column: Option<u32>,
    direction: Direction,
    value: CursorValue,
    id: RowId,
}

#[derive(Clone, Debug, PartialEq)]
enum CursorValue {
    Number(i64),
    Text(String),
    Null,
    /// That of the row.
    Id,
}

/// A row in the order of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stop<'a> {
    rank: Rank<'a>,
    id: IdRef<'a>,
    segment: usize,
    row: u32,
}

/// The order of a walk.
#[derive(Debug)]
pub(super) struct Order<'a> {
    /// None: ids.
    by: Option<By<'a>>,
    direction: Direction,
}

/// The column by whose values rows are ordered.
#[derive(Debug)]
struct By<'a> {
    column: &'a Column,
    scalar: ScalarType,
    /// The one value of rows that are older than the column.
    default: ArrayRef,
}

/// The rows of a page, and where it ended.
pub(super) struct Stops {
    /// Segments and their rows.
    pub(super) places: Vec<(usize, u32)>,
    pub(super) next: Option<Vec<u8>>,
}

impl<'a> Order<'a> {
    /// # Errors
    /// `Invalid` for a column that there is not, or whose values have no order.
    pub(super) fn new(schema: &'a Schema, asked: &OrderBy) -> Result<Self> {
        let direction = asked.direction;
        if asked.column == Schema::ID_NAME {
            return Ok(Self { by: None, direction });
        }
        let (column, scalar) = scalar_column(schema, &asked.column)?;
        if matches!(scalar, ScalarType::Json | ScalarType::Array(_)) {
            let name = &column.name;
            return Err(Error::invalid(format!(
                "column `{name}` holds {scalar} values; rows are ordered by bools, numbers, timestamps or strings, or by `id`"
            )));
        }
        let default = columns::constant(scalar, column.default.as_ref(), 1);
        Ok(Self { by: Some(By { column, scalar, default }), direction })
    }

    /// The first `limit` live rows behind the cursor that pass.
    pub(super) fn stops(
        &self,
        view: &View,
        (cursor, filter): (&[u8], Option<&CompiledFilter>),
        limit: usize,
        cancel: &Cancel,
    ) -> Result<Stops> {
        let cursor = self.decode(cursor)?;
        let after = cursor.as_ref().map(|cursor| (self.rank_of(cursor), id_of(&cursor.id)));
        // One row more than asked for tells whether there is another page.
        let mut first = FirstStops { stops: First::new(limit + 1), after };
        for (segment, segment_view) in view.segments.iter().enumerate() {
            cancel.check()?;
            let passing = match filter {
                None => Passing::live(segment_view),
                Some(filter) => filter.passing(segment_view)?,
            };
            match segment_view {
                SegmentView::Sealed(sealed) => {
                    self.offer(&mut first, &sealed.sealed.rows, (segment, 0), &passing, cancel)?;
                }
                SegmentView::Memory(memory) => {
                    for placed in &memory.chunks {
                        let at = (segment, placed.first_row);
                        self.offer(&mut first, &placed.chunk.rows, at, &passing, cancel)?;
                    }
                }
            }
        }
        let mut stops = first.stops.into_sorted();
        let has_more = stops.len() > limit;
        stops.truncate(limit);
        let next = stops.last().filter(|_| has_more).map(|stop| self.encode(stop));
        Ok(Stops { places: stops.iter().map(|stop| (stop.segment, stop.row)).collect(), next })
    }

    /// Offers the rows of a block that pass; its first is the segment's `first_row`.
    fn offer<'v>(
        &'v self,
        first: &mut FirstStops<'v>,
        rows: &'v Rows,
        (segment, first_row): (usize, u32),
        passing: &Passing,
        cancel: &Cancel,
    ) -> Result<()> {
        let passing = passing.rows.as_deref();
        let passes = |row: &u32| passing.is_none_or(|passing| passing.contains(first_row + row));
        let values = self.by.as_ref().map(|by| match rows.scalars(by.column.id) {
            Some(values) => Ok((values, by.scalar)),
            None => Err(self.rank(&by.default, by.scalar, 0)),
        });
        for (count, row) in (0..rows.len()).filter(passes).enumerate() {
            if count % BLOCK_ROWS == 0 {
                cancel.check()?;
            }
            let id = || id_ref(&rows.ids, row as usize);
            let rank = match values {
                None => self.id(id()),
                Some(Ok((values, scalar))) => self.rank(values, scalar, row as usize),
                Some(Err(constant)) => constant,
            };
            if first.takes(rank) {
                let id = id();
                first.offer(Stop { rank, id, segment, row: first_row + row });
            }
        }
        Ok(())
    }

    fn rank<'v>(&self, values: &'v ArrayRef, scalar: ScalarType, row: usize) -> Rank<'v> {
        if values.is_null(row) {
            return Rank::Null;
        }
        match scalar {
            ScalarType::Bool => self.number(values.as_boolean().value(row).into()),
            ScalarType::Int8 => self.number(values.as_primitive::<Int8Type>().value(row).into()),
            ScalarType::Int16 => self.number(values.as_primitive::<Int16Type>().value(row).into()),
            ScalarType::Int32 => self.number(values.as_primitive::<Int32Type>().value(row).into()),
            ScalarType::Int64 | ScalarType::Timestamp => {
                self.number(values.as_primitive::<Int64Type>().value(row))
            }
            ScalarType::Float32 => {
                self.number(ordered(values.as_primitive::<Float32Type>().value(row).into()))
            }
            ScalarType::Float64 => {
                self.number(ordered(values.as_primitive::<Float64Type>().value(row)))
            }
            ScalarType::String => self.text(values.as_string::<i32>().value(row)),
            ScalarType::Json | ScalarType::Array(_) => {
                unreachable!("{scalar} values have no order, which was checked")
            }
        }
    }

    fn number(&self, value: i64) -> Rank<'static> {
        match self.direction {
            Direction::Ascending => Rank::Number(value),
            // -1 - value: what was greatest is least.
            Direction::Descending => Rank::Number(!value),
        }
    }

    fn text<'v>(&self, text: &'v str) -> Rank<'v> {
        match self.direction {
            Direction::Ascending => Rank::Text(text),
            Direction::Descending => Rank::TextDown(Reverse(text)),
        }
    }

    fn id<'v>(&self, id: IdRef<'v>) -> Rank<'v> {
        match self.direction {
            Direction::Ascending => Rank::Id(id),
            Direction::Descending => Rank::IdDown(Reverse(id)),
        }
    }

    fn rank_of<'v>(&self, cursor: &'v Cursor) -> Rank<'v> {
        match &cursor.value {
            CursorValue::Number(number) => Rank::Number(*number),
            CursorValue::Text(text) => self.text(text),
            CursorValue::Null => Rank::Null,
            CursorValue::Id => self.id(id_of(&cursor.id)),
        }
    }

    /// Of a column: which walk (1), the column's number (4), 0 ascending or 1 descending
    /// (1), then 0 and the number (8), 1 and a length (4) and the text, or 2; then the id.
    /// Of ids: which walk (1), 0 or 1 as before (1), the id.
    fn encode(&self, stop: &Stop<'_>) -> Vec<u8> {
        let mut cursor = Vec::new();
        match &self.by {
            None => cursor.push(cursor::BY_ID),
            Some(by) => {
                cursor.push(cursor::BY_COLUMN);
                cursor.extend_from_slice(&by.column.id.0.to_le_bytes());
            }
        }
        cursor.push(direction_byte(self.direction));
        match stop.rank {
            Rank::Number(number) => {
                cursor.push(0);
                cursor.extend_from_slice(&number.to_le_bytes());
            }
            Rank::Text(text) | Rank::TextDown(Reverse(text)) => {
                let len = u32::try_from(text.len()).expect("values have a limit far below");
                cursor.push(1);
                cursor.extend_from_slice(&len.to_le_bytes());
                cursor.extend_from_slice(text.as_bytes());
            }
            Rank::Null => cursor.push(2),
            Rank::Id(_) | Rank::IdDown(_) => {}
        }
        encode_id(stop.id, &mut cursor);
        cursor
    }

    /// Where a page ended; none: nowhere yet.
    fn decode(&self, cursor: &[u8]) -> Result<Option<Cursor>> {
        if cursor.is_empty() {
            return Ok(None);
        }
        let wrong = || {
            Error::invalid(
                "the cursor is not one that a scroll in this order returned; leave it empty to start over",
            )
        };
        let cursor = decode(cursor).ok_or_else(wrong)?;
        let is_text = self.by.as_ref().map(|by| by.scalar == ScalarType::String);
        let fits = match cursor.value {
            CursorValue::Number(_) => is_text == Some(false),
            CursorValue::Text(_) => is_text == Some(true),
            CursorValue::Null => is_text.is_some(),
            CursorValue::Id => is_text.is_none(),
        };
        let column = self.by.as_ref().map(|by| by.column.id.0);
        let is_own = cursor.column == column && cursor.direction == self.direction;
        if fits && is_own { Ok(Some(cursor)) } else { Err(wrong()) }
    }
}

fn decode(cursor: &[u8]) -> Option<Cursor> {
    let (column, rest) = match cursor.split_first()? {
        (&cursor::BY_COLUMN, rest) => {
            let (column, rest) = rest.split_first_chunk()?;
            (Some(u32::from_le_bytes(*column)), rest)
        }
        (&cursor::BY_ID, rest) => (None, rest),
        _ => return None,
    };
    let (direction, rest) = rest.split_first()?;
    let directions = [Direction::Ascending, Direction::Descending];
    let direction = directions.into_iter().find(|known| direction_byte(*known) == *direction)?;
    let (value, rest) = match column {
        Some(_) => decode_value(rest)?,
        None => (CursorValue::Id, rest),
    };
    Some(Cursor { column, direction, value, id: decode_id(rest)? })
}

fn decode_value(bytes: &[u8]) -> Option<(CursorValue, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    Some(match kind {
        0 => {
            let (number, rest) = rest.split_first_chunk()?;
            (CursorValue::Number(i64::from_le_bytes(*number)), rest)
        }
        1 => {
            let (len, rest) = rest.split_first_chunk()?;
            let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
            let (text, rest) = rest.split_at_checked(len)?;
            (CursorValue::Text(String::from_utf8(text.to_vec()).ok()?), rest)
        }
        2 => (CursorValue::Null, rest),
        _ => return None,
    })
}

fn direction_byte(direction: Direction) -> u8 {
    match direction {
        Direction::Ascending => 0,
        Direction::Descending => 1,
    }
}

/// An integer that orders as the float does; zeros of both signs are the same.
fn ordered(value: f64) -> i64 {
    let bits = (value + 0.0).to_bits().cast_signed();
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

/// The first stops behind one.
struct FirstStops<'a> {
    stops: First<Stop<'a>>,
    after: Option<(Rank<'a>, IdRef<'a>)>,
}

impl<'a> FirstStops<'a> {
    /// Whether a row of that rank may be among them.
    fn takes(&self, rank: Rank<'_>) -> bool {
        let is_behind = self.after.is_none_or(|(last, _)| rank >= last);
        is_behind && self.stops.end().is_none_or(|last| rank <= last.rank)
    }

    fn offer(&mut self, stop: Stop<'a>) {
        if self.after.is_some_and(|after| (stop.rank, stop.id) <= after) {
            return;
        }
        self.stops.offer(stop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_order_as_the_floats_do() {
        let floats = [f64::MIN, -1.5, -1.0, -1e-300, 0.0, 1e-300, 0.5, 2.0, f64::MAX];
        assert!(floats.map(ordered).is_sorted_by(|a, b| a < b));
        assert_eq!(ordered(-0.0), ordered(0.0));
    }

    #[test]
    fn cursors_come_back_and_nonsense_is_refused() {
        let id = RowId::Str("ü".into());
        for value in [
            CursorValue::Number(-3),
            CursorValue::Text("a lake".into()),
            CursorValue::Null,
            CursorValue::Id,
        ] {
            let kind = match value {
                CursorValue::Text(_) => ScalarType::String,
                CursorValue::Number(_) | CursorValue::Null | CursorValue::Id => ScalarType::Int64,
            };
            let column = Column::scalar(vicinal_types::ColumnId(7), "c", kind, true);
            let is_id = value == CursorValue::Id;
            let order = |direction, is_id: bool| {
                let default = columns::constant(kind, None, 1);
                let by = By { column: &column, scalar: kind, default };
                Order { by: (!is_id).then_some(by), direction }
            };
            let down = order(Direction::Descending, is_id);
            let (direction, column) = (Direction::Descending, (!is_id).then_some(7));
            let expected = Cursor { column, direction, value: value.clone(), id: id.clone() };
            let rank = down.rank_of(&expected);
            let bytes = down.encode(&Stop { rank, id: id_of(&id), segment: 0, row: 0 });
            assert_eq!(down.decode(&bytes).expect("a cursor"), Some(expected.clone()));
            let others = [(Direction::Ascending, is_id), (Direction::Descending, !is_id)];
            for (direction, is_id) in others {
                assert!(order(direction, is_id).decode(&bytes).is_err(), "of another order");
            }
            for end in 1..bytes.len() - "ü".len() {
                assert!(down.decode(&bytes[..end]).is_err(), "{end} bytes of it");
            }
        }
    }
}
