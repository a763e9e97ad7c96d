//! Scalar columns as Arrow arrays: made, gathered, measured.

pub(crate) mod format;

mod constant;

pub(crate) use constant::constant;

use arrow_array::{Array, Int64Array, StringArray, UInt32Array};
use arrow_array::{ArrayRef, cast::AsArray, types::Int64Type};
use std::ops::Range;
use std::sync::Arc;
use vicinal_types::{IdType, Ids};

/// The ids as an array.
pub(crate) fn ids_to_array(ids: &Ids) -> ArrayRef {
    match ids {
        Ids::Int(ids) => Arc::new(Int64Array::from(ids.clone())),
        Ids::Str(ids) => Arc::new(StringArray::from_iter_values(ids)),
    }
}

/// The ids of an array that came from [`ids_to_array`]; `None` if it has another type.
pub(crate) fn array_to_ids(array: &ArrayRef, id_type: IdType) -> Option<Ids> {
    if array.null_count() > 0 {
        return None;
    }
    match id_type {
        IdType::Int64 => {
            let ids = array.as_primitive_opt::<Int64Type>()?;
            Some(Ids::Int(ids.values().to_vec()))
        }
        IdType::String => {
            let ids = array.as_string_opt::<i32>()?;
            Some(Ids::Str(ids.iter().flatten().map(str::to_owned).collect()))
        }
    }
}

/// Whether the id at `row` of an id column is `id`.
pub(crate) fn id_is(array: &ArrayRef, row: usize, id: IdRef<'_>) -> bool {
    match id {
        IdRef::Int(id) => {
            array.as_primitive_opt::<Int64Type>().is_some_and(|ids| ids.value(row) == id)
        }
        IdRef::Str(id) => array.as_string_opt::<i32>().is_some_and(|ids| ids.value(row) == id),
    }
}

/// A borrowed primary id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum IdRef<'a> {
    Int(i64),
    Str(&'a str),
}

impl IdRef<'_> {
    /// The frozen hash that places an id: xxh3 with seed 0 of the little-endian
    /// number or the text. It must never change: files and slots depend on it.
    pub(crate) fn hash(self) -> u64 {
        match self {
            Self::Int(id) => xxhash_rust::xxh3::xxh3_64(&id.to_le_bytes()),
            Self::Str(id) => xxhash_rust::xxh3::xxh3_64(id.as_bytes()),
        }
    }
}

/// Borrows the id at `row` of an id column.
pub(crate) fn id_ref(array: &ArrayRef, row: usize) -> IdRef<'_> {
    match array.as_primitive_opt::<Int64Type>() {
        Some(ids) => IdRef::Int(ids.value(row)),
        None => IdRef::Str(array.as_string::<i32>().value(row)),
    }
}

/// Borrows an id of a request.
pub(crate) fn request_id(ids: &Ids, at: usize) -> IdRef<'_> {
    match ids {
        Ids::Int(ids) => IdRef::Int(ids[at]),
        Ids::Str(ids) => IdRef::Str(&ids[at]),
    }
}

/// Some values of an array, in the order given.
pub(crate) fn take(array: &ArrayRef, rows: &[u32]) -> ArrayRef {
    let rows = UInt32Array::from(rows.to_vec());
    arrow_select::take::take(array, &rows, None).expect("the rows are within the array")
}

/// All values of arrays of one type, one array after another.
pub(crate) fn concat(arrays: &[&ArrayRef]) -> ArrayRef {
    let arrays: Vec<&dyn Array> = arrays.iter().map(|array| array.as_ref()).collect();
    arrow_select::concat::concat(&arrays).expect("a column has one type in all segments")
}

/// Values from several arrays of one type: (array, row) pairs in the order wanted.
pub(crate) fn interleave(arrays: &[&ArrayRef], places: &[(usize, usize)]) -> ArrayRef {
    let arrays: Vec<&dyn Array> = arrays.iter().map(|array| array.as_ref()).collect();
    arrow_select::interleave::interleave(&arrays, places)
        .expect("a column has one type in all segments")
}

/// Bytes of the value at a row.
pub(crate) fn value_bytes(array: &ArrayRef, row: usize) -> usize {
    let Some(lists) = array.as_list_opt::<i32>() else { return span_bytes(array, row..row + 1) };
    let at = |place: usize| offset(lists.value_offsets()[place]);
    span_bytes(lists.values(), at(row)..at(row + 1))
}

/// Bytes of values that are no lists.
fn span_bytes(array: &ArrayRef, rows: Range<usize>) -> usize {
    match array.as_string_opt::<i32>() {
        Some(texts) => {
            let at = |place: usize| offset(texts.value_offsets()[place]);
            at(rows.end) - at(rows.start) + rows.len() * size_of::<i32>()
        }
        // Bools have bits alone.
        None => rows.len() * array.data_type().primitive_width().unwrap_or(1),
    }
}

fn offset(at: i32) -> usize {
    usize::try_from(at).expect("offsets are not negative")
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{BooleanArray, ListArray};
    use arrow_buffer::OffsetBuffer;
    use vicinal_types::ArrayItem;

    #[test]
    fn the_hash_of_an_id_never_changes() {
        assert_eq!(IdRef::Int(0).hash(), 0xc77b_3abb_6f87_acd9);
        assert_eq!(IdRef::Str("synset").hash(), xxhash_rust::xxh3::xxh3_64(b"synset"));
    }

    #[test]
    fn a_value_has_the_bytes_of_its_items_wherever_its_array_begins() {
        let check = |array: ArrayRef, bytes: [usize; 3]| {
            let padded = concat(&[&array.slice(1, 2), &array]).slice(2, 3);
            for array in [array, padded] {
                assert_eq!([0, 1, 2].map(|row| value_bytes(&array, row)), bytes, "{array:?}");
            }
        };
        check(Arc::new(Int64Array::from(vec![1, 2, 3])), [8, 8, 8]);
        check(Arc::new(BooleanArray::from(vec![true, false, true])), [1, 1, 1]);
        check(Arc::new(StringArray::from(vec![Some("ab"), None, Some("c")])), [6, 4, 5]);
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "bcd", "e"]));
        let lists = |item: ArrayItem, items| -> ArrayRef {
            let offsets = OffsetBuffer::from_lengths([2, 0, 1]);
            Arc::new(ListArray::new(item.field(), offsets, items, None))
        };
        check(lists(ArrayItem::String, texts), [12, 0, 5]);
        check(lists(ArrayItem::Int64, Arc::new(Int64Array::from(vec![1, 2, 3]))), [16, 0, 8]);
    }

    #[test]
    fn ids_survive_the_way_through_an_array() {
        for (ids, id_type) in [
            (Ids::Int(vec![3, -1]), IdType::Int64),
            (Ids::Str(vec!["a".into(), "ü".into()]), IdType::String),
        ] {
            let array = ids_to_array(&ids);
            assert_eq!(array_to_ids(&array, id_type), Some(ids.clone()));
            assert!(id_is(&array, 1, request_id(&ids, 1)));
            assert!(!id_is(&array, 0, request_id(&ids, 1)));
        }
        let wrong = ids_to_array(&Ids::Int(vec![1]));
        assert_eq!(array_to_ids(&wrong, IdType::String), None);
    }
}
