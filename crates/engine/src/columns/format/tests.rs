//! Every type comes back, hostile bytes never panic.

use super::*;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array};
use proptest::prelude::*;
use vicinal_types::ScalarType;

fn round_trip(array: ArrayRef) {
    let mut bytes = Vec::new();
    encode(&array, &mut bytes);
    assert!(bytes.len().is_multiple_of(ALIGNMENT));
    let decoded = decode(&Bytes::from(bytes.clone())).expect("what was encoded");
    assert_eq!(&decoded, &array);
    assert_eq!(decoded.data_type(), array.data_type());
    // Bytes that lie at odd addresses are read as well.
    bytes.insert(0, 7);
    assert_eq!(&decode(&Bytes::from(bytes).slice(1..)).expect("unaligned"), &array);
}

fn lists(
    item: ArrayItem,
    items: ArrayRef,
    lengths: &[usize],
    nulls: Option<Vec<bool>>,
) -> ArrayRef {
    let offsets = OffsetBuffer::from_lengths(lengths.iter().copied());
    Arc::new(ListArray::new(item.field(), offsets, items, nulls.map(NullBuffer::from)))
}

#[test]
fn every_type_comes_back() {
    round_trip(Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])));
    round_trip(Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(i8::MAX)])));
    round_trip(Arc::new(Int16Array::from(vec![i16::MIN, 0, i16::MAX])));
    round_trip(Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)])));
    round_trip(Arc::new(Int64Array::from(vec![i64::MIN, 0, i64::MAX])));
    round_trip(Arc::new(Float32Array::from(vec![Some(0.5), None, Some(f32::MIN_POSITIVE)])));
    round_trip(Arc::new(Float64Array::from(vec![Some(0.5), None])));
    round_trip(Arc::new(StringArray::from(vec![Some("grün"), None, Some("")])));
    round_trip(Arc::new(StringArray::from(Vec::<String>::new())));
    let sliced = Int64Array::from((0..100).map(Some).chain([None]).collect::<Vec<_>>());
    round_trip(Arc::new(sliced.slice(37, 64)));
    let sliced = StringArray::from(vec![Some("a"), None, Some("bc"), Some("def")]);
    round_trip(Arc::new(sliced.slice(1, 2)));
    let sliced = BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]);
    round_trip(Arc::new(sliced.slice(1, 3)));
}

#[test]
fn every_array_comes_back() {
    let numbers: ArrayRef = Arc::new(Int16Array::from(vec![1, 2, 3, 4, 5]));
    let column =
        lists(ArrayItem::Int16, numbers, &[2, 0, 3, 0], Some(vec![true, true, true, false]));
    round_trip(column.clone());
    round_trip(column.slice(1, 2));
    round_trip(column.slice(4, 0));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["", "grün", "c"]));
    let column = lists(ArrayItem::String, texts, &[0, 1, 2], None);
    round_trip(column.clone());
    round_trip(column.slice(2, 1));
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true, true]));
    let column = lists(ArrayItem::Bool, flags, &[3, 1], None);
    round_trip(column.slice(1, 1));
    round_trip(column);
    let none: ArrayRef = Arc::new(Float32Array::from(Vec::<f32>::new()));
    round_trip(lists(ArrayItem::Float32, none, &[], None));
}

#[test]
fn a_column_of_nulls_of_every_type_comes_back() {
    for scalar in ScalarType::ALL {
        round_trip(crate::columns::constant(scalar, None, 3));
    }
}

/// A slice's buffers are its rows' alone: nothing else gets into a file.
#[test]
fn a_slice_is_as_small_as_its_rows() {
    fn check<T: ArrowPrimitiveType>(numbers: &PrimitiveArray<T>) {
        let mut bytes = Vec::new();
        encode(&numbers.slice(3, 1), &mut bytes);
        assert_eq!(bytes.len(), HEADER_BYTES + ALIGNMENT);
    }
    check(&Int8Array::from(vec![1; 1_000]));
    check(&Int64Array::from(vec![1; 1_000]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1; 1_000]));
    let column = lists(ArrayItem::Int64, numbers, &[500, 1, 499], None);
    let mut bytes = Vec::new();
    encode(&column.slice(1, 1), &mut bytes);
    assert_eq!(bytes.len(), HEADER_BYTES + 2 * ALIGNMENT);
}

#[test]
fn reserved_bytes_are_zero() {
    let mut bytes = Vec::new();
    encode(&Int8Array::from(vec![1]), &mut bytes);
    for at in [3, 4, 7, 24, 32, 63] {
        let mut wrong = bytes.clone();
        wrong[at] = 1;
        assert!(decode(&Bytes::from(wrong)).is_err(), "byte {at}");
    }
}

proptest! {
    #[test]
    fn hostile_bytes_are_an_error_or_a_column(
        mut bytes in prop::collection::vec(any::<u8>(), 0..400),
        kind in 0u8..11,
        item in 0u8..10,
        counts in prop::array::uniform3(0u8..40),
    ) {
        if bytes.len() >= HEADER_BYTES {
            let has_nulls = bytes[2] & 1;
            bytes[..HEADER_BYTES].fill(0);
            (bytes[0], bytes[1], bytes[2], bytes[3]) = (1, kind, has_nulls, item);
            (bytes[8], bytes[16], bytes[24]) = (counts[0], counts[1], counts[2]);
        }
        let _ = decode(&Bytes::from(bytes)).map(|array| array.len());
    }
}
