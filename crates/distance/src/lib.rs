//! How far apart two vectors are on this CPU.
//!
//! Every instruction set fills one [`Kernels`] table; the scalar table is the
//! definition that the others are tested against. [`Comparer`] binds a table to
//! the type of a vector column and compares stored bytes.
//!
//! It is not an index and knows no files: bytes in, numbers out.
//!
//! # Invariants
//! * A [`Kernels`] is handed out only after its instruction set was found.
//! * A key says "smaller is nearer" for every metric and is never NaN.
//!
//! # Example
//! ```
//! use vicinal_distance::{Comparer, kernels};
//! use vicinal_types::{ElementType, Metric, VectorType};
//!
//! let points = VectorType::new(4, ElementType::U8, Metric::L2)?;
//! let comparer = Comparer::new(points, kernels());
//! let mut keys = [0.0; 2];
//! comparer.keys(&[0, 0, 0, 0], &[1, 2, 0, 0, 3, 0, 0, 4], &mut keys);
//! assert_eq!(keys, [5.0, 25.0]);
//! # Ok::<(), vicinal_types::Error>(())
//! ```

#[cfg(target_endian = "big")]
compile_error!("vectors are stored little-endian and the kernels read them as they lie");

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod comparer;
mod kernels;
mod prefetch;
mod scalar;
mod tiles;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub use comparer::Comparer;
pub use kernels::{
    Estimate, Facts, ISA_VARIABLE, Isa, Kernels, SelectError, Way, available, from_environment,
    kernels, select,
};
pub use prefetch::{prefetch, prefetch_far};
