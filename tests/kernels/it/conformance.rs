//! What every accelerator does alike: simulated, by the kernels on this CPU, and by CUDA
//! where there is a device.

use crate::data::{Stored, rng};
use crate::device::HostDevice;
use bytes::Bytes;
use rand::Rng;
use vicinal_gpu::{Cuda, Devices, NoDevices};
use vicinal_index::{
    Accelerator, AcceleratorError, Batch, Candidates, Faults, Neighbor, SimulatedAccelerator, TopK,
    Vectors, Work, scan, settle,
};
use vicinal_types::{Bitmap, Cancel, ElementType, Metric, VectorType};

const BUDGET_BYTES: u64 = 1 << 20;

fn vectors(kind: VectorType, rows: u32, seed: u64) -> Vectors {
    let stored = Stored::random(kind, rows, &mut rng(seed));
    Vectors::new(kind, Bytes::from(stored.bytes)).expect("whole rows")
}

fn kind(dim: u32, element: ElementType, metric: Metric) -> VectorType {
    VectorType::new(dim, element, metric).expect("a kind of vector")
}

fn scanned(rows: &Vectors, query: &[u8], batch: &Batch<'_>) -> Vec<Neighbor> {
    let (mut top, mut work) = (TopK::new(batch.k), Work::default());
    let never = Cancel::never();
    scan(rows, query, batch.allowed, 0, &mut top, &mut work, &never).expect("nobody stops it");
    top.into_sorted()
}

/// Holds candidates against all rows: each allowed, each once, none nearer left out; what
/// is settled is what a scan finds. Whether it was settled.
fn check(rows: &Vectors, query: &[u8], batch: &Batch<'_>, found: &Candidates) -> bool {
    let is_allowed = |row: u32| batch.allowed.is_none_or(|allowed| allowed.contains(row));
    let mut named = found.rows.clone();
    named.sort_unstable();
    assert!(named.windows(2).all(|pair| pair[0] < pair[1]), "each row once");
    assert!(named.iter().all(|row| is_allowed(*row)), "allowed rows only");
    for row in (0..rows.len()).filter(|row| is_allowed(*row)) {
        if named.binary_search(&row).is_err() {
            let key = rows.comparer().key(query, rows.row(row));
            let beyond = found.beyond.expect("a row was left out");
            assert!(key >= beyond, "row {row} has {key}, the bound is {beyond}");
        }
    }
    let settled = settle(rows, query, batch.k, found);
    if let Some(settled) = &settled {
        assert_eq!(settled, &scanned(rows, query, batch), "what is proven is the answer");
    }
    settled.is_some()
}

/// Searches for batches of all shapes; of the answers at least nine in ten are proven.
fn searches(accelerator: &dyn Accelerator, element: ElementType, metric: Metric) {
    let kind = kind(37, element, metric);
    let rows = vectors(kind, 700, 1);
    accelerator.load(&rows).expect("there is room");
    assert!(accelerator.is_resident(&rows));
    let (mut settled, mut all) = (0, 0);
    for (seed, (queries, k, tenths)) in
        [(1, 1, 10), (1, 40, 3), (5, 10, 10), (8, 10, 1), (20, 10, 10), (70, 3, 5)]
            .into_iter()
            .enumerate()
    {
        let mut rng = rng(seed as u64 + 7);
        let asked = Stored::random(kind, queries, &mut rng);
        let mut allowed = Bitmap::new(700);
        for row in 0..700 {
            if rng.random_range(0..10) < tenths {
                allowed.insert(row);
            }
        }
        let allowed = (tenths < 10).then_some(&allowed);
        let batch = Batch { queries: &asked.bytes, k, allowed };
        let found = accelerator.search(&rows, &batch).expect("a device that works");
        assert_eq!(found.len(), queries as usize);
        for (query, found) in (0..queries).zip(&found) {
            settled += usize::from(check(&rows, asked.row(query), &batch, found));
            all += 1;
        }
    }
    assert!(settled * 10 >= all * 9, "{settled} of {all} are proven for {kind:?}");
}

fn conforms(accelerator: &dyn Accelerator) {
    for metric in [Metric::L2, Metric::InnerProduct] {
        for element in [
            ElementType::F32,
            ElementType::F16,
            ElementType::Bf16,
            ElementType::I8,
            ElementType::U8,
        ] {
            searches(accelerator, element, metric);
        }
    }
    searches(accelerator, ElementType::F32, Metric::Cosine);
    let bits = kind(64, ElementType::Binary, Metric::Hamming);
    assert!(
        !accelerator.takes(bits, 1)
            && !accelerator.takes(kind(4, ElementType::U8, Metric::L2), 5_000)
    );
    empty_and_missing(accelerator);
    makes_room(accelerator);
}

fn empty_and_missing(accelerator: &dyn Accelerator) {
    let kind = kind(8, ElementType::F32, Metric::L2);
    let (none, few) = (vectors(kind, 0, 2), vectors(kind, 3, 3));
    let query = vec![0; 32];
    let batch = Batch { queries: &query, k: 10, allowed: None };
    assert_eq!(accelerator.search(&few, &batch), Err(AcceleratorError::NotResident));
    accelerator.load(&none).expect("nothing takes no room");
    accelerator.load(&few).expect("there is room");
    let nothing = Candidates { rows: Vec::new(), beyond: None };
    assert_eq!(accelerator.search(&none, &batch), Ok(vec![nothing]));
    let found = accelerator.search(&few, &batch).expect("a device that works");
    assert!(found[0].beyond.is_none() && found[0].rows.len() == 3, "all rows are named");
    accelerator.evict(&few);
    assert!(!accelerator.is_resident(&few));
    assert_eq!(accelerator.search(&few, &batch), Err(AcceleratorError::NotResident));
}

/// What was used longest ago gives way; what is larger than all never fits.
fn makes_room(accelerator: &dyn Accelerator) {
    let kind = kind(32, ElementType::U8, Metric::L2);
    let third = u32::try_from(BUDGET_BYTES / 3 / 40).expect("a few rows");
    let rows: Vec<_> = (0..4).map(|seed| vectors(kind, third, seed)).collect();
    for rows in &rows[..3] {
        accelerator.load(rows).expect("there is room");
    }
    let batch = Batch { queries: &[1; 32], k: 1, allowed: None };
    accelerator.search(&rows[0], &batch).expect("a device that works");
    accelerator.load(&rows[3]).expect("others give way");
    assert!(accelerator.is_resident(&rows[3]) && accelerator.is_resident(&rows[0]));
    assert!(!accelerator.is_resident(&rows[1]));
    let device = &accelerator.devices()[0];
    assert!(device.used_bytes <= device.budget_bytes && device.used_bytes > 0);
    let large = vectors(kind, third * 4, 9);
    let refused = accelerator.load(&large);
    assert!(matches!(refused, Err(AcceleratorError::OutOfMemory { .. })), "{refused:?}");
    for rows in &rows {
        accelerator.evict(rows);
    }
}

#[test]
fn simulated_accelerator_conforms() {
    conforms(&SimulatedAccelerator::new(BUDGET_BYTES, Faults::default()));
}

#[test]
fn kernels_on_this_cpu_conform() {
    conforms(&Devices::new(vec![(HostDevice::new(0), BUDGET_BYTES)]));
}

/// Without a device nothing runs, and why is said; no call panics.
#[test]
fn cuda_devices_conform_or_say_why_there_are_none() {
    match Cuda::all() {
        Ok(devices) => {
            for device in devices {
                conforms(&Devices::new(vec![(device, BUDGET_BYTES)]));
            }
        }
        Err(NoDevices::NoDriver) => assert!(!std::fs::exists("/dev/nvidia0").expect("a look")),
        Err(other) => println!("no device: {other}"),
    }
}

/// Whatever launch fails: an error, then no resident rows, and memory is given back.
#[test]
fn a_lost_device_says_so_and_holds_nothing() {
    let kind = kind(16, ElementType::F32, Metric::L2);
    let rows = vectors(kind, 300, 1);
    for lost_at in 1..=6 {
        let devices = Devices::new(vec![(HostDevice::new(lost_at), BUDGET_BYTES)]);
        let asked = Stored::random(kind, 20, &mut rng(2));
        let batch = Batch { queries: &asked.bytes, k: 5, allowed: None };
        let found = devices.load(&rows).and_then(|()| devices.search(&rows, &batch));
        if lost_at == 6 {
            assert!(found.is_ok(), "five launches are enough");
            continue;
        }
        assert!(matches!(found, Err(AcceleratorError::Lost { .. })), "{lost_at}: {found:?}");
        assert!(devices.devices()[0].is_lost && !devices.is_resident(&rows));
        assert_eq!(devices.devices()[0].used_bytes, 0);
        assert!(devices.load(&rows).is_err());
    }
}

/// The device that works takes what the other cannot.
#[test]
fn rows_go_to_the_device_with_most_room() {
    let devices =
        Devices::new(vec![(HostDevice::new(0), 20_000), (HostDevice::new(0), BUDGET_BYTES)]);
    let kind = kind(32, ElementType::U8, Metric::L2);
    let (large, small) = (vectors(kind, 28_900, 1), vectors(kind, 300, 2));
    devices.load(&large).expect("the second has room");
    devices.load(&small).expect("the first has room");
    let resident: Vec<_> = devices.devices().iter().map(|device| device.resident).collect();
    assert_eq!(resident, [1, 1]);
}
