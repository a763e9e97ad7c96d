//! How fast a machine is, as far as plans depend on it.
//!
//! Here are the figures and what follows from them; others measure.

use crate::steps::REFERENCE_NANOS;
use serde::{Deserialize, Serialize};
use vicinal_types::{ElementType, Metric, VectorType};

/// The distances that vectors are compared by, each with code of its own. Cosine
/// is the inner product of unit vectors.
pub const KERNELS: [(ElementType, Metric); 12] = [
    (ElementType::F32, Metric::L2),
    (ElementType::F32, Metric::InnerProduct),
    (ElementType::F16, Metric::L2),
    (ElementType::F16, Metric::InnerProduct),
    (ElementType::Bf16, Metric::L2),
    (ElementType::Bf16, Metric::InnerProduct),
    (ElementType::I8, Metric::L2),
    (ElementType::I8, Metric::InnerProduct),
    (ElementType::U8, Metric::L2),
    (ElementType::U8, Metric::InnerProduct),
    (ElementType::Binary, Metric::Hamming),
    (ElementType::Binary, Metric::Jaccard),
];

/// What things take on one core of a machine.
///
/// All figures are nanoseconds of a machine with nothing else to do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineProfile {
    /// Comparing with a vector in the nearest cache, in the order of [`KERNELS`].
    pub kernels: [KernelTime; KERNELS.len()],
    /// Reading memory beyond the caches.
    pub memory: MemoryTimes,
    /// Reading pages of files.
    pub disk: DiskTimes,
    /// From giving a task to a search thread that sleeps to its beginning.
    pub hand_off_nanos: f64,
    /// What computes beside the cores.
    pub gpu: Gpu,
}

/// What comparing takes by the vectors' dimension.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelTime {
    /// The elements.
    pub element: ElementType,
    /// The distance.
    pub metric: Metric,
    /// The time; sizes are dimensions.
    pub time: Line,
}

/// What reading memory beyond the caches takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryTimes {
    /// A byte of many in a row.
    pub sequential_byte_nanos: f64,
    /// A read whose place the one before tells.
    pub dependent_nanos: f64,
    /// A vector at a place that is known some vectors ahead; sizes are bytes.
    pub scattered: Line,
}

/// What the first touch of a mapped page of a file takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskTimes {
    /// A page that the system has in memory.
    pub cached_page_nanos: f64,
    /// A page that comes from the disk; none where the system would not let pages go.
    pub read_page_nanos: Option<f64>,
}

/// What computes beside the cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gpu {
    /// Nothing: this program computes on cores alone.
    None,
}

/// A time that grows with a size along a straight line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What any size takes.
    pub base_nanos: f64,
    /// What each unit adds.
    pub unit_nanos: f64,
}

/// What comparing with one row of a vector column takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowCost {
    /// A row of many in a row.
    pub scanned_nanos: f64,
    /// A row somewhere in memory that was asked for ahead of its turn.
    pub scattered_nanos: f64,
    /// A row in the nearest cache.
    pub computed_nanos: f64,
    /// Reading so many bytes somewhere in memory that were asked for ahead.
    pub scattered: Line,
    /// The first touch of a page of a file that the system has in memory.
    pub page_nanos: f64,
    /// How long computing takes beside where the figures of indexes were taken.
    pub speed: f64,
    /// Its dimensions.
    pub dim: f64,
    /// Its bytes.
    pub bytes: u64,
}

impl MachineProfile {
    /// One core of a server of 2023 with AVX-512, good to a factor of two or three:
    /// for plans before the machine is measured.
    pub const TYPICAL: Self = {
        use ElementType::{Bf16, Binary, F16, F32, I8, U8};
        use Metric::{Hamming, InnerProduct, Jaccard, L2};
        Self {
            kernels: [
                KernelTime::new(F32, L2, 4.0, 0.04),
                KernelTime::new(F32, InnerProduct, 4.0, 0.04),
                KernelTime::new(F16, L2, 4.0, 0.05),
                KernelTime::new(F16, InnerProduct, 4.0, 0.05),
                KernelTime::new(Bf16, L2, 4.0, 0.05),
                KernelTime::new(Bf16, InnerProduct, 4.0, 0.03),
                KernelTime::new(I8, L2, 4.0, 0.03),
                KernelTime::new(I8, InnerProduct, 4.0, 0.02),
                KernelTime::new(U8, L2, 4.0, 0.03),
                KernelTime::new(U8, InnerProduct, 4.0, 0.02),
                KernelTime::new(Binary, Hamming, 4.0, 0.002),
                KernelTime::new(Binary, Jaccard, 4.0, 0.004),
            ],
            memory: MemoryTimes {
                sequential_byte_nanos: 0.05,
                dependent_nanos: 100.0,
                scattered: Line { base_nanos: 25.0, unit_nanos: 0.1 },
            },
            disk: DiskTimes { cached_page_nanos: 500.0, read_page_nanos: Some(100_000.0) },
            hand_off_nanos: 20_000.0,
            gpu: Gpu::None,
        }
    };

    /// What comparing with a row takes: the computing or the waiting for memory,
    /// whichever is longer, since each hides behind the other.
    pub fn row_cost(&self, vector: VectorType) -> RowCost {
        let (dim, bytes) = (vector.dim() as f64, vector.row_bytes() as f64);
        let computing = self.kernel(vector).nanos(dim);
        RowCost {
            scanned_nanos: computing.max(bytes * self.memory.sequential_byte_nanos),
            scattered_nanos: computing.max(self.memory.scattered.nanos(bytes)),
            computed_nanos: computing,
            scattered: self.memory.scattered,
            page_nanos: self.disk.cached_page_nanos,
            speed: self.kernels[0].time.unit_nanos / REFERENCE_NANOS,
            dim,
            bytes: vector.row_bytes() as u64,
        }
    }

    /// What comparing in the nearest cache takes; sizes are dimensions.
    pub fn kernel(&self, vector: VectorType) -> Line {
        let metric = match vector.metric() {
            Metric::Cosine => Metric::InnerProduct,
            metric @ (Metric::L2 | Metric::InnerProduct | Metric::Hamming | Metric::Jaccard) => {
                metric
            }
        };
        let wanted = (vector.element(), metric);
        // Every pair that a vector type has is there.
        let at = KERNELS.iter().position(|kernel| *kernel == wanted).unwrap_or(0);
        self.kernels[at].time
    }

    /// Whether every figure is a time and stands where it should.
    pub fn is_sound(&self) -> bool {
        let is_time = |nanos: f64| nanos.is_finite() && nanos > 0.0;
        let is_line = |line: Line| {
            line.base_nanos.is_finite() && line.base_nanos >= 0.0 && is_time(line.unit_nanos)
        };
        let named = self.kernels.iter().zip(KERNELS);
        let MemoryTimes { sequential_byte_nanos, dependent_nanos, scattered } = self.memory;
        named
            .into_iter()
            .all(|(time, kernel)| (time.element, time.metric) == kernel && is_line(time.time))
            && is_line(scattered)
            && [sequential_byte_nanos, dependent_nanos, self.disk.cached_page_nanos]
                .into_iter()
                .chain(self.disk.read_page_nanos)
                .chain([self.hand_off_nanos])
                .all(is_time)
    }
}

impl KernelTime {
    const fn new(element: ElementType, metric: Metric, base_nanos: f64, unit_nanos: f64) -> Self {
        Self { element, metric, time: Line { base_nanos, unit_nanos } }
    }
}

impl Line {
    /// The time of a size.
    pub fn nanos(self, size: f64) -> f64 {
        self.base_nanos + self.unit_nanos * size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(dim: u32, element: ElementType, metric: Metric) -> VectorType {
        VectorType::new(dim, element, metric).expect("a right type")
    }

    #[test]
    fn every_type_of_vector_has_its_kernel() {
        assert!(MachineProfile::TYPICAL.is_sound());
        let mut profile = MachineProfile::TYPICAL;
        for (at, kernel) in profile.kernels.iter_mut().enumerate() {
            kernel.time.unit_nanos = 1.0 + at as f64;
        }
        for (at, (element, metric)) in KERNELS.into_iter().enumerate() {
            let unit = profile.kernel(vector(8, element, metric)).unit_nanos;
            assert_eq!(unit, 1.0 + at as f64, "{element} {metric}");
        }
        let cosine = profile.kernel(vector(8, ElementType::F16, Metric::Cosine));
        assert_eq!(cosine, profile.kernels[3].time);
    }

    #[test]
    fn rows_take_the_longer_of_computing_and_waiting() {
        let mut profile = MachineProfile::TYPICAL;
        profile.kernels[0].time = Line { base_nanos: 2.0, unit_nanos: 0.1 };
        profile.memory.sequential_byte_nanos = 0.05;
        profile.memory.scattered = Line { base_nanos: 30.0, unit_nanos: 0.0625 };
        let cost = |dim| profile.row_cost(vector(dim, ElementType::F32, Metric::L2));
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(cost(100).scanned_nanos, 20.0), "memory: 400 bytes");
        assert!(close(cost(100).scattered_nanos, 55.0), "memory");
        profile.kernels[0].time.unit_nanos = 1.0;
        let cost = profile.row_cost(vector(100, ElementType::F32, Metric::L2));
        assert!(close(cost.scanned_nanos, 102.0) && close(cost.scattered_nanos, 102.0), "{cost:?}");
    }

    #[test]
    fn figures_that_are_no_times_are_seen() {
        let check = |spoil: fn(&mut MachineProfile)| {
            let mut profile = MachineProfile::TYPICAL;
            spoil(&mut profile);
            assert!(!profile.is_sound(), "{profile:?}");
        };
        check(|profile| profile.kernels.swap(0, 1));
        check(|profile| profile.kernels[3].time.unit_nanos = 0.0);
        check(|profile| profile.kernels[3].time.base_nanos = -1.0);
        check(|profile| profile.memory.scattered.unit_nanos = f64::NAN);
        check(|profile| profile.memory.sequential_byte_nanos = f64::INFINITY);
        check(|profile| profile.disk.read_page_nanos = Some(-5.0));
        check(|profile| profile.hand_off_nanos = 0.0);
    }
}
