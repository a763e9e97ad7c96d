//! The values of a column as keys that are compared, whatever their type.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::{BooleanBuffer, ScalarBuffer};
use vicinal_types::ScalarType;

/// Values of one type, without copying them; what stands in place of nulls means
/// nothing.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    Bools(BooleanBuffer),
    I8(ScalarBuffer<i8>),
    I16(ScalarBuffer<i16>),
    I32(ScalarBuffer<i32>),
    I64(ScalarBuffer<i64>),
    F32(ScalarBuffer<f32>),
    F64(ScalarBuffer<f64>),
    Texts(StringArray),
}

/// A value as it is ordered. Those of one column are of one variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key<'a> {
    /// A number, by [`float_key`] if it is a float.
    Number(i64),
    Text(&'a [u8]),
}

impl Values {
    /// The values of an array of that type; none if it is another, or if its values are
    /// no single ones.
    pub(crate) fn of(scalar: ScalarType, array: &ArrayRef) -> Option<Self> {
        Some(match scalar {
            ScalarType::Bool => Self::Bools(array.as_boolean_opt()?.values().clone()),
            ScalarType::Int8 => Self::I8(array.as_primitive_opt::<Int8Type>()?.values().clone()),
            ScalarType::Int16 => Self::I16(array.as_primitive_opt::<Int16Type>()?.values().clone()),
            ScalarType::Int32 => Self::I32(array.as_primitive_opt::<Int32Type>()?.values().clone()),
            ScalarType::Int64 | ScalarType::Timestamp => {
                Self::I64(array.as_primitive_opt::<Int64Type>()?.values().clone())
            }
            ScalarType::Float32 => {
                Self::F32(array.as_primitive_opt::<Float32Type>()?.values().clone())
            }
            ScalarType::Float64 => {
                Self::F64(array.as_primitive_opt::<Float64Type>()?.values().clone())
            }
            ScalarType::String => Self::Texts(array.as_string_opt::<i32>()?.clone()),
            ScalarType::Json | ScalarType::Array(_) => return None,
        })
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bools(values) => values.len(),
            Self::I8(values) => values.len(),
            Self::I16(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    #[inline]
    pub(crate) fn key(&self, at: usize) -> Key<'_> {
        match self {
            Self::Bools(values) => Key::Number(values.value(at).into()),
            Self::I8(values) => Key::Number(values[at].into()),
            Self::I16(values) => Key::Number(values[at].into()),
            Self::I32(values) => Key::Number(values[at].into()),
            Self::I64(values) => Key::Number(values[at]),
            Self::F32(values) => Key::Number(float_key(values[at].into())),
            Self::F64(values) => Key::Number(float_key(values[at])),
            Self::Texts(values) => Key::Text(values.value(at).as_bytes()),
        }
    }

    /// A number that is in the order of the values where it differs; values whose
    /// numbers do not differ may: [`key`](Self::key) tells.
    #[inline]
    pub(crate) fn rough_key(&self, at: usize) -> u64 {
        match self.key(at) {
            Key::Number(number) => number.cast_unsigned() ^ (1 << 63),
            Key::Text(text) => {
                let mut first = [0; 8];
                let len = text.len().min(8);
                first[..len].copy_from_slice(&text[..len]);
                first.iter().fold(0, |key, byte| key << 8 | u64::from(*byte))
            }
        }
    }

    /// Whether [`rough_key`](Self::rough_key) says all.
    pub(crate) fn are_numbers(&self) -> bool {
        !matches!(self, Self::Texts(_))
    }
}

/// A float as an integer in the same order; zeros of both signs are one.
#[inline]
pub(crate) fn float_key(value: f64) -> i64 {
    let bits = (value + 0.0).to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::float_key;

    #[test]
    fn floats_keep_their_order_as_keys() {
        let floats = [f64::NEG_INFINITY, -1e300, -1.0, -1e-300, 0.0, 1e-300, 1.0, f64::INFINITY];
        assert!(floats.windows(2).all(|pair| float_key(pair[0]) < float_key(pair[1])));
        assert_eq!(float_key(-0.0), float_key(0.0));
    }
}
