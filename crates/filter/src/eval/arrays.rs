//! Arrow arrays as the values that tests read.

use super::EvaluateError;
use super::bits::{Bits, Block};
use crate::plan::ColumnRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::BooleanBuffer;
use memchr::memmem::Finder;
use vicinal_types::ScalarType;

/// The values of a column; what stands in place of nulls means nothing.
#[derive(Clone)]
pub(super) enum Values<'a> {
    Bools(&'a BooleanBuffer),
    Ints(Ints<'a>),
    Floats(Floats<'a>),
    Texts(Texts<'a>),
    Lists(Lists<'a>),
}

/// Integers of any width.
#[derive(Clone, Copy)]
pub(super) enum Ints<'a> {
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
}

/// Floats of either width.
#[derive(Clone, Copy)]
pub(super) enum Floats<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
}

/// Strings.
#[derive(Clone, Copy)]
pub(super) struct Texts<'a> {
    array: &'a StringArray,
    offsets: &'a [i32],
    bytes: &'a [u8],
}

/// Arrays, each a range of items.
#[derive(Clone)]
pub(super) struct Lists<'a> {
    offsets: &'a [i32],
    pub(super) items: Box<Values<'a>>,
}

impl<'a> Values<'a> {
    /// The values of an array.
    ///
    /// # Errors
    /// [`EvaluateError::Type`] if it is not of the column's type.
    pub(super) fn bind(
        column: ColumnRef,
        scalar: ScalarType,
        array: &'a ArrayRef,
    ) -> Result<Self, EvaluateError> {
        Self::of(scalar, array).ok_or_else(|| EvaluateError::Type {
            column,
            scalar,
            found: array.data_type().to_string(),
        })
    }

    fn of(scalar: ScalarType, array: &'a ArrayRef) -> Option<Self> {
        Some(match scalar {
            ScalarType::Bool => Self::Bools(array.as_boolean_opt()?.values()),
            ScalarType::Int8 => {
                Self::Ints(Ints::I8(array.as_primitive_opt::<Int8Type>()?.values()))
            }
            ScalarType::Int16 => {
                Self::Ints(Ints::I16(array.as_primitive_opt::<Int16Type>()?.values()))
            }
            ScalarType::Int32 => {
                Self::Ints(Ints::I32(array.as_primitive_opt::<Int32Type>()?.values()))
            }
            ScalarType::Int64 | ScalarType::Timestamp => {
                Self::Ints(Ints::I64(array.as_primitive_opt::<Int64Type>()?.values()))
            }
            ScalarType::Float32 => {
                Self::Floats(Floats::F32(array.as_primitive_opt::<Float32Type>()?.values()))
            }
            ScalarType::Float64 => {
                Self::Floats(Floats::F64(array.as_primitive_opt::<Float64Type>()?.values()))
            }
            ScalarType::String | ScalarType::Json => {
                let array = array.as_string_opt::<i32>()?;
                Self::Texts(Texts {
                    array,
                    offsets: array.value_offsets(),
                    bytes: array.value_data(),
                })
            }
            ScalarType::Array(item) => {
                let lists = array.as_list_opt::<i32>()?;
                let items = Box::new(Self::of(item.scalar(), lists.values())?);
                Self::Lists(Lists { offsets: lists.value_offsets(), items })
            }
        })
    }
}

impl Ints<'_> {
    #[inline]
    pub(super) fn get(self, row: usize) -> i64 {
        match self {
            Self::I8(values) => values[row].into(),
            Self::I16(values) => values[row].into(),
            Self::I32(values) => values[row].into(),
            Self::I64(values) => values[row],
        }
    }

    /// Appends the values of a block.
    pub(super) fn extend(self, block: Block, out: &mut Vec<i64>) {
        match self {
            Self::I8(values) => out.extend(block.of(values).iter().copied().map(i64::from)),
            Self::I16(values) => out.extend(block.of(values).iter().copied().map(i64::from)),
            Self::I32(values) => out.extend(block.of(values).iter().copied().map(i64::from)),
            Self::I64(values) => out.extend_from_slice(block.of(values)),
        }
    }
}

impl Floats<'_> {
    #[inline]
    pub(super) fn get(self, row: usize) -> f64 {
        match self {
            Self::F32(values) => values[row].into(),
            Self::F64(values) => values[row],
        }
    }

    /// Appends the values of a block.
    pub(super) fn extend(self, block: Block, out: &mut Vec<f64>) {
        match self {
            Self::F32(values) => out.extend(block.of(values).iter().copied().map(f64::from)),
            Self::F64(values) => out.extend_from_slice(block.of(values)),
        }
    }
}

impl<'a> Texts<'a> {
    #[inline]
    pub(super) fn bytes(self, row: usize) -> &'a [u8] {
        &self.bytes[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// Sets the bits of a block's rows that contain a string, which is not empty.
    ///
    /// One search runs over the bytes of all rows: to start one for each costs more than
    /// it takes. What it finds across the end of a row is no match.
    pub(super) fn containing(self, finder: &Finder<'_>, block: Block, out: &mut Bits) {
        *out = [0; _];
        let ends = &self.offsets[block.start + 1..=block.start + block.len];
        let mut at = self.offsets[block.start] as usize;
        let Some(&last) = ends.last() else { return };
        let mut row = 0;
        while let Some(found) = finder.find(&self.bytes[at..last as usize]) {
            let start = at + found;
            while (ends[row] as usize) <= start {
                row += 1;
            }
            let end = ends[row] as usize;
            at = start + 1;
            if start + finder.needle().len() <= end {
                out[row / 64] |= 1 << (row % 64);
                at = end;
            }
        }
    }

    pub(super) fn text(self, row: usize) -> &'a str {
        self.array.value(row)
    }
}

impl Lists<'_> {
    /// The places of a row's items.
    #[inline]
    pub(super) fn range(&self, row: usize) -> std::ops::Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }
}
