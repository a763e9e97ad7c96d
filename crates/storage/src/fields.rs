//! Little-endian integers at a byte range: the alphabet of every `format.rs`.

use std::ops::Range;

/// Writes an integer into its field.
///
/// # Panics
/// If the range is not as wide as the integer.
macro_rules! integers {
    ($($put:ident $get:ident $int:ty),* $(,)?) => {
        $(
            pub(crate) fn $put(bytes: &mut [u8], field: Range<usize>, value: $int) {
                bytes[field].copy_from_slice(&value.to_le_bytes());
            }

            pub(crate) fn $get(bytes: &[u8], field: Range<usize>) -> $int {
                let mut value = [0; size_of::<$int>()];
                value.copy_from_slice(&bytes[field]);
                <$int>::from_le_bytes(value)
            }
        )*
    };
}

integers! {
    put_u16 get_u16 u16,
    put_u32 get_u32 u32,
    put_u64 get_u64 u64,
}

/// A length in memory as the 64 bits that stand on disk.
pub(crate) fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("memory addresses have at most 64 bits")
}
