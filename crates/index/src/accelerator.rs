//! Searching whole segments on a device beside the CPU.
//!
//! A device sums in another order and with fewer bits, so it does not answer: it names
//! [`Candidates`] and a bound for all other rows. [`settle`] compares the candidates by
//! the CPU's kernels and says whether the bound proves them to be the answer. What is
//! proven is bit for bit what a scan finds; what is not, the caller scans for.

mod simulated;

use crate::{Neighbor, TopK, Vectors};
use vicinal_types::{Bitmap, VectorType};

pub use simulated::{Faults, SimulatedAccelerator};

/// Devices that hold rows and search all of them for many queries at once.
///
/// Rows are those of [`Vectors`]: clones that share their bytes are the same rows.
pub trait Accelerator: Send + Sync {
    /// The devices and what they hold.
    fn devices(&self) -> Vec<DeviceState>;

    /// Whether rows of a type can be searched for so many neighbours.
    fn takes(&self, vector: VectorType, k: usize) -> bool;

    /// Whether the rows are on a device that works.
    fn is_resident(&self, rows: &Vectors) -> bool;

    /// Copies the rows to a device, which gives up others that were used longer ago, if
    /// it must. Rows that are there already stay.
    ///
    /// # Errors
    /// [`AcceleratorError`]; nothing is resident then that was not before.
    fn load(&self, rows: &Vectors) -> Result<(), AcceleratorError>;

    /// Forgets the rows; those that are not there are forgotten already.
    fn evict(&self, rows: &Vectors);

    /// Candidates for each query, in order.
    ///
    /// # Errors
    /// [`AcceleratorError`] if the rows are not resident or the device fails; no query
    /// has an answer then.
    fn search(
        &self,
        rows: &Vectors,
        batch: &Batch<'_>,
    ) -> Result<Vec<Candidates>, AcceleratorError>;
}

/// Queries that go over the rows together.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Stored vectors of the rows' type, contiguous.
    pub queries: &'a [u8],
    /// Neighbours of each.
    pub k: usize,
    /// Rows that count; `None`: all.
    pub allowed: Option<&'a Bitmap>,
}

/// Where a query's neighbours are.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidates {
    /// Allowed rows, each once.
    pub rows: Vec<u32>,
    /// No other allowed row has a smaller key, by any table of
    /// [`Kernels`](vicinal_distance::Kernels). `None`: there is no other allowed row.
    pub beyond: Option<f32>,
}

/// A device and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceState {
    /// As its maker calls it.
    pub name: String,
    /// Memory in all.
    pub memory_bytes: u64,
    /// How much of it rows may take.
    pub budget_bytes: u64,
    /// How much they take.
    pub used_bytes: u64,
    /// Sets of rows that it holds.
    pub resident: usize,
    /// Whether it is gone until the process starts anew.
    pub is_lost: bool,
}

/// Why a device did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceleratorError {
    /// There is no room, whatever is given up.
    #[error("{wanted_bytes} bytes do not fit the {budget_bytes} of a device")]
    OutOfMemory {
        /// What was to be loaded.
        wanted_bytes: u64,
        /// What there is.
        budget_bytes: u64,
    },
    /// The rows are on no device that works.
    #[error("the rows are on no device")]
    NotResident,
    /// The device is gone, and all that it held.
    #[error("device {device} is lost: {reason}")]
    Lost {
        /// Its name.
        device: String,
        /// What the driver says.
        reason: String,
    },
    /// This did not work; another time may.
    #[error("device {device} failed: {reason}")]
    Failed {
        /// Its name.
        device: String,
        /// What the driver says.
        reason: String,
    },
}

/// The `k` nearest of the candidates, if these are proven to be the nearest of all.
///
/// # Panics
/// If a candidate is no row, or `query` not one stored vector.
pub fn settle(
    vectors: &Vectors,
    query: &[u8],
    k: usize,
    candidates: &Candidates,
) -> Option<Vec<Neighbor>> {
    let mut top = TopK::new(k);
    for row in &candidates.rows {
        top.push(vectors.key(query, *row), *row);
    }
    let is_full = top.len() == k;
    let farthest = top.threshold();
    let is_proven = match candidates.beyond {
        None => true,
        // An equally near row with a lower number would come first.
        Some(beyond) => is_full && farthest < beyond,
    };
    is_proven.then(|| top.into_sorted())
}

/// Whether two handles are of the same rows.
pub fn are_same_rows(a: &Vectors, b: &Vectors) -> bool {
    a.bytes().as_ptr() == b.bytes().as_ptr()
        && a.len() == b.len()
        && a.vector_type() == b.vector_type()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use vicinal_types::{ElementType, Metric};

    fn rows() -> Vectors {
        let kind = VectorType::new(1, ElementType::U8, Metric::L2).expect("a kind");
        Vectors::new(kind, Bytes::from_static(&[0, 1, 2, 3, 4])).expect("five rows")
    }

    fn settled(k: usize, rows_found: &[u32], beyond: Option<f32>) -> Option<Vec<u32>> {
        let candidates = Candidates { rows: rows_found.to_vec(), beyond };
        let found = settle(&rows(), &[0], k, &candidates)?;
        Some(found.iter().map(|neighbor| neighbor.row).collect())
    }

    #[test]
    fn what_the_bound_does_not_prove_is_no_answer() {
        assert_eq!(settled(2, &[2, 1, 0], Some(1.5)), Some(vec![0, 1]));
        assert_eq!(settled(2, &[2, 1, 0], Some(1.0)), None); // an equal row may be lower
        assert_eq!(settled(2, &[0], Some(9.0)), None);
        assert_eq!(settled(2, &[0], None), Some(vec![0]));
        assert_eq!(settled(2, &[2, 1, 0], Some(f32::NAN)), None);
    }

    #[test]
    fn equal_bytes_elsewhere_are_other_rows() {
        let rows = rows();
        assert!(are_same_rows(&rows, &rows.clone()));
        let copy = Bytes::copy_from_slice(rows.bytes());
        let copy = Vectors::new(rows.vector_type(), copy).expect("five rows");
        assert!(!are_same_rows(&rows, &copy));
    }
}
