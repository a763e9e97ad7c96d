//! Building an index from a column.

use crate::cumulative::{Cumulative, Places};
use crate::error::BuildError;
use crate::format::Parts;
use crate::index::Kind;
use crate::postings::{Builder, Postings};
use crate::trigrams;
use crate::values::Values;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray};
use vicinal_types::ScalarType;

/// The parts of an index over a column.
pub(crate) fn build(
    kind: Kind,
    scalar: ScalarType,
    column: &ArrayRef,
) -> Result<Parts, BuildError> {
    let wrong_column = || BuildError::Column { scalar, found: column.data_type().to_string() };
    if !kind.takes(scalar) {
        return Err(BuildError::Kind { kind, scalar });
    }
    let mut parts = Parts {
        kind,
        rows: column.len(),
        is_in_order: false,
        places: Vec::new().into(),
        postings: Postings::none(),
        cumulative: Cumulative::none(),
    };
    let number = |at: usize| u32::try_from(at).map_err(|_| BuildError::TooLarge);
    number(column.len())?;
    if let Some(item) = scalar.item() {
        let lists = column.as_list_opt::<i32>().ok_or_else(wrong_column)?;
        let items = Values::of(item.scalar(), lists.values()).ok_or_else(wrong_column)?;
        number(items.len())?;
        let (places, rows) = places_of_items(lists)?;
        (parts.places, parts.postings) = keyed(&items, places, |place| rows[place as usize])?;
        return Ok(parts);
    }
    let values = Values::of(scalar, column).ok_or_else(wrong_column)?;
    let valid = (0..number(column.len())?).filter(|row| column.is_valid(*row as usize));
    match kind {
        Kind::Bitmap | Kind::Inverted => {
            (parts.places, parts.postings) = keyed(&values, valid.collect(), |row| row)?;
            let order = Places::Keys(&parts.postings);
            parts.cumulative = Cumulative::build(order, parts.rows);
        }
        Kind::Sorted => {
            let keys = |at: usize| values.key(at);
            parts.is_in_order =
                column.null_count() == 0 && (1..values.len()).all(|at| keys(at - 1) <= keys(at));
            if !parts.is_in_order {
                parts.places = sorted(&values, valid.collect()).into();
                parts.cumulative = Cumulative::build(Places::Rows(&parts.places), parts.rows);
            }
        }
        Kind::Trigram => {
            let texts = column.as_string_opt::<i32>().ok_or_else(wrong_column)?;
            let (codes, postings) = trigrams::build(texts)?;
            (parts.places, parts.postings) = (codes.into(), postings);
        }
    }
    Ok(parts)
}

/// Places in the order of their values; equal values in that of their places.
fn sorted(values: &Values, places: Vec<u32>) -> Vec<u32> {
    let keyed = places.into_iter().map(|place| (values.rough_key(place as usize), place));
    let mut keyed: Vec<(u64, u32)> = keyed.collect();
    keyed.sort_unstable();
    if !values.are_numbers() {
        for same in keyed.chunk_by_mut(|a, b| a.0 == b.0) {
            same.sort_by_key(|(_, place)| values.key(*place as usize));
        }
    }
    keyed.into_iter().map(|(_, place)| place).collect()
}

/// A place of each different value, in their order, and the rows of each.
fn keyed(
    values: &Values,
    places: Vec<u32>,
    row_of: impl Fn(u32) -> u32,
) -> Result<(arrow_buffer::ScalarBuffer<u32>, Postings), BuildError> {
    let places = sorted(values, places);
    let key = |place: u32| values.key(place as usize);
    let mut builder = Builder::default();
    let mut firsts = Vec::new();
    let mut rows = Vec::new();
    for (number, same) in (0..).zip(places.chunk_by(|a, b| key(*a) == key(*b))) {
        rows.clear();
        rows.extend(same.iter().map(|place| row_of(*place)));
        rows.dedup();
        builder.push(number, &rows)?;
        firsts.push(same[0]);
    }
    let (_, postings) = builder.finish()?;
    Ok((firsts.into(), postings))
}

/// The places of all items of rows that are not null, and the row of each place.
fn places_of_items(lists: &ListArray) -> Result<(Vec<u32>, Vec<u32>), BuildError> {
    let offsets = lists.value_offsets();
    let mut places = Vec::with_capacity(lists.values().len());
    let mut rows = vec![0; lists.values().len()];
    for (row, ends) in (0_u32..).zip(offsets.windows(2)) {
        let place = |end: i32| u32::try_from(end).map_err(|_| BuildError::TooLarge);
        let of_row = place(ends[0])?..place(ends[1])?;
        rows[of_row.start as usize..of_row.end as usize].fill(row);
        if lists.is_valid(row as usize) {
            places.extend(of_row);
        }
    }
    Ok((places, rows))
}
