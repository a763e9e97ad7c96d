//! The kernel table, and which one this process uses.

mod codes;
mod order;
mod signs;
mod transform;

pub use codes::Facts;
pub use signs::{Estimate, Way};

#[cfg(target_arch = "aarch64")]
use crate::aarch64;
use crate::scalar;
use crate::tiles::Tiles;
#[cfg(target_arch = "x86_64")]
use crate::x86_64;
use half::{bf16, f16};
use std::sync::OnceLock;
use vicinal_types::limits;
use zerocopy::IntoBytes;

/// An instruction set with a kernel table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust; runs everywhere and defines what the others compute.
    Scalar,
    /// aarch64 with NEON.
    Neon,
    /// x86-64 with AVX2, FMA, F16C and POPCNT (Haswell, Zen and later).
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ, VL, VNNI and VPOPCNTDQ (Ice Lake, Zen 4
    /// and later).
    Avx512,
    /// The same with BF16 (Cooper Lake, Zen 4 and later).
    Avx512Bf16,
}

/// Compares two stored vectors of equal length.
pub(crate) type Pair = unsafe fn(&[u8], &[u8]) -> f32;

/// Compares a stored vector with as many rows as there are results.
pub(crate) type Rows = unsafe fn(&[u8], &[u8], &mut [f32]);

/// Compares a stored vector with those rows that the third argument numbers.
pub(crate) type Scattered = unsafe fn(&[u8], &[u8], &[u32], &mut [f32]);

/// How many scattered rows are asked for before the one that is compared.
pub(crate) const ROWS_AHEAD: usize = 6;

/// Turns sums of signs into estimated keys.
pub(crate) type Estimates =
    unsafe fn(&[u32; 32], &[f32; 32], &[f32; 32], Estimate, &mut [f32; 32]) -> u32;

/// Compares the planes of a query with codes at the beginnings of records.
pub(crate) type BitDotRows = unsafe fn(&[u8], (&[u8], usize), &[u32], &mut [u32]);

/// Turns sums over codes into least keys.
pub(crate) type LeastKeys = unsafe fn(&[u32; 32], &Facts<'_>, &mut [f32; 32]) -> u32;

/// One distance in both call shapes.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    pub(crate) pair: Pair,
    pub(crate) rows: Rows,
    pub(crate) scattered: Scattered,
    /// Many with many; without tiles each query meets the rows by itself.
    pub(crate) tiles: Option<&'static Tiles>,
}

/// The distance kernels of one instruction set.
///
/// Floats are summed in binary32, in an order of the instruction set's own.
/// Integers are summed exactly and then rounded once to binary32: sums above
/// 2^24 lose their lowest bits, the same on every instruction set. A sum over
/// [`limits::DIM_MAX`] elements of the largest difference, 255, fits an `i32`.
///
/// Invariant: [`available`] hands a table out only after finding its instruction
/// set on this CPU. Holding a `&Kernels` is the proof that calling it is sound.
pub struct Kernels {
    pub(crate) isa: Isa,
    pub(crate) l2_f32: Kernel,
    pub(crate) dot_f32: Kernel,
    pub(crate) l2_f16: Kernel,
    pub(crate) dot_f16: Kernel,
    pub(crate) l2_bf16: Kernel,
    pub(crate) dot_bf16: Kernel,
    pub(crate) l2_i8: Kernel,
    pub(crate) dot_i8: Kernel,
    pub(crate) l2_u8: Kernel,
    pub(crate) dot_u8: Kernel,
    pub(crate) hamming: Kernel,
    pub(crate) jaccard: Kernel,
    pub(crate) l2_u4: Kernel,
    pub(crate) dot_u4: Kernel,
    pub(crate) bit_dot: unsafe fn(&[u8], &[u8]) -> u32,
    pub(crate) bit_dot_rows: BitDotRows,
    pub(crate) table_sum: unsafe fn(&[f32], &[u8]) -> f32,
    pub(crate) table_sum_rows: unsafe fn(&[f32], &[u8], &mut [f32]),
    pub(crate) fastscan: unsafe fn(&[u8], &[u8], &mut [u32; 32]),
    pub(crate) least_keys: LeastKeys,
    pub(crate) subset_sums: unsafe fn(&[f32], &mut [f32]),
    pub(crate) rotate_fht: unsafe fn(&mut [f32]),
    pub(crate) quantise_u8: unsafe fn(&[f32], f32, f32, &mut [u8]),
    pub(crate) min_max: unsafe fn(&[f32]) -> (f32, f32),
    pub(crate) way: unsafe fn(&[f32], &[f32], &mut [u8]) -> Way,
    pub(crate) estimates: Estimates,
    pub(crate) insert_sorted: unsafe fn(&mut [u64], u64) -> usize,
    pub(crate) at_most: unsafe fn(&[f32], f32, &mut [u64]),
}

const _: () = assert!(
    2 * 15 * 15 * limits::DIM_MAX < 1 << 24,
    "sums over 4-bit levels, two a byte, are exact in binary32"
);

const _: () = assert!(
    255 * 255 * limits::DIM_MAX as u64 <= i32::MAX as u64,
    "the longest integer vector's squared distance must fit the accumulators"
);

/// Best first; scalar runs everywhere and therefore ends the list.
static ALL: &[&Kernels] = &[
    #[cfg(target_arch = "aarch64")]
    &aarch64::neon::KERNELS,
    #[cfg(target_arch = "x86_64")]
    &x86_64::avx512::brains::KERNELS,
    #[cfg(target_arch = "x86_64")]
    &x86_64::avx512::KERNELS,
    #[cfg(target_arch = "x86_64")]
    &x86_64::avx2::KERNELS,
    &scalar::KERNELS,
];

/// The environment variable that forces an instruction set by name.
pub const ISA_VARIABLE: &str = "VICINAL_ISA";

/// Why the instruction set asked for cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// The name is not one of ours.
    #[error(
        "instruction set `{0}` is unknown; use `scalar`, `neon`, `avx2`, `avx512` or `avx512bf16`, or leave VICINAL_ISA unset"
    )]
    Unknown(String),
    /// The name is ours, but this CPU or build cannot run it.
    #[error(
        "instruction set `{name}` is not available on this machine, which can run {available}; choose one of these or leave VICINAL_ISA unset"
    )]
    Unavailable {
        /// What was asked for.
        name: String,
        /// What there is, best first.
        available: String,
    },
}

/// Every table this CPU can run, best first.
pub fn available() -> impl Iterator<Item = &'static Kernels> {
    ALL.iter().copied().filter(|kernels| kernels.isa.is_detected())
}

/// The table of the instruction set called `name`.
///
/// # Errors
/// [`SelectError`] if there is no such instruction set, here or at all.
pub fn select(name: &str) -> Result<&'static Kernels, SelectError> {
    if Isa::ALL.iter().all(|isa| isa.name() != name) {
        return Err(SelectError::Unknown(name.to_owned()));
    }
    available().find(|kernels| kernels.isa.name() == name).ok_or_else(|| {
        let names: Vec<_> = available().map(|kernels| kernels.isa.name()).collect();
        SelectError::Unavailable { name: name.to_owned(), available: names.join(", ") }
    })
}

/// The table that [`ISA_VARIABLE`] names, else the best one.
///
/// A process calls this once at its start, to report a wrong name.
///
/// # Errors
/// [`SelectError`] if the variable's value cannot be used.
pub fn from_environment() -> Result<&'static Kernels, SelectError> {
    match std::env::var_os(ISA_VARIABLE) {
        Some(name) if !name.is_empty() => select(&name.to_string_lossy()),
        Some(_) | None => Ok(available().next().unwrap_or(&scalar::KERNELS)),
    }
}

/// The table that this process uses, chosen at the first call.
///
/// # Panics
/// If [`ISA_VARIABLE`] names an instruction set that cannot be used; see
/// [`from_environment`].
pub fn kernels() -> &'static Kernels {
    static CHOSEN: OnceLock<&'static Kernels> = OnceLock::new();
    CHOSEN.get_or_init(|| from_environment().unwrap_or_else(|error| panic!("{error}")))
}

impl Isa {
    const ALL: [Self; 5] = [Self::Avx512Bf16, Self::Avx512, Self::Avx2, Self::Neon, Self::Scalar];

    /// The name in [`ISA_VARIABLE`], logs and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512bf16",
        }
    }

    /// Whether this CPU has it.
    pub fn is_detected(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => x86_64::avx2::is_detected(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => x86_64::avx512::is_detected(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => x86_64::avx512::brains::is_detected(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 | Self::Avx512Bf16 => false,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => aarch64::neon::is_detected(),
            #[cfg(not(target_arch = "aarch64"))]
            Self::Neon => false,
        }
    }
}

macro_rules! typed {
    ($($(#[$doc:meta])* $name:ident($element:ty);)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Panics
            /// If the vectors differ in length or are longer than
            /// [`limits::DIM_MAX`].
            pub fn $name(&self, a: &[$element], b: &[$element]) -> f32 {
                check(a.len(), b.len());
                // SAFETY: the instruction set is present, by the invariant of `Kernels`.
                unsafe { (self.$name.pair)(a.as_bytes(), b.as_bytes()) }
            }
        )*
    };
}

impl Kernels {
    /// The instruction set that the table is written for.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    typed! {
        /// Squared Euclidean distance.
        l2_f32(f32);
        /// Inner product.
        dot_f32(f32);
        /// Squared Euclidean distance; elements are widened to binary32.
        l2_f16(f16);
        /// Inner product; elements are widened to binary32.
        dot_f16(f16);
        /// Squared Euclidean distance; elements are widened to binary32.
        l2_bf16(bf16);
        /// Inner product; elements are widened to binary32.
        dot_bf16(bf16);
        /// Squared Euclidean distance, exact until the one rounding.
        l2_i8(i8);
        /// Inner product, exact until the one rounding.
        dot_i8(i8);
        /// Squared Euclidean distance, exact until the one rounding.
        l2_u8(u8);
        /// Inner product, exact until the one rounding.
        dot_u8(u8);
        /// Differing bits.
        hamming(u8);
        /// The part of the bits in either vector that is not in both; 0 if
        /// there are none.
        jaccard(u8);
        /// Squared Euclidean distance of packed 4-bit levels, two a byte, the
        /// first in the low half; exact.
        l2_u4(u8);
        /// Inner product of packed 4-bit levels, two a byte, the first in the low
        /// half; exact.
        dot_u4(u8);
    }
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernels").field("isa", &self.isa).finish_non_exhaustive()
    }
}

fn check(a: usize, b: usize) {
    assert_eq!(a, b, "vectors must have one dimension");
    assert!(a <= limits::DIM_MAX as usize, "{a} elements are more than the sums have room for");
}

#[cfg(test)]
mod tests;
