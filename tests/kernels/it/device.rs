//! This CPU as a device: the accelerator's own code, its kernels by the stand-in.

use crate::run::facts;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use vicinal_gpu::{Device, DeviceFacts, Launch};
use vicinal_index::AcceleratorError;
use vicinal_kernels::HostKernel;

/// Memory that is used again keeps what was in it.
const GARBAGE: u64 = 0xa5a5_a5a5_a5a5_a5a5;

/// Places in memory by their address.
#[derive(Default)]
pub(crate) struct HostDevice {
    facts: Option<DeviceFacts>,
    memory: Mutex<HashMap<u64, Vec<u64>>>,
    launches: AtomicU32,
    /// The launch that loses the device; 0: none.
    pub(crate) lost_at: u32,
}

impl HostDevice {
    pub(crate) fn new(lost_at: u32) -> Self {
        Self { facts: Some(facts()), lost_at, ..Self::default() }
    }

    /// The place that has so many bytes at the address.
    fn check(&self, address: u64, bytes: usize) {
        let memory = self.memory.lock().expect("no test panics with the lock");
        let end = address + bytes as u64;
        let is_there = |(start, place): (&u64, &Vec<u64>)| {
            *start <= address && end <= start + place.len() as u64 * 8
        };
        assert!(memory.iter().any(is_there), "{bytes} bytes at {address} are not allocated");
    }
}

impl Device for HostDevice {
    fn facts(&self) -> &DeviceFacts {
        self.facts.as_ref().expect("made by new")
    }

    fn alloc(&self, bytes: usize) -> Result<u64, AcceleratorError> {
        let place = vec![GARBAGE; bytes.div_ceil(8)];
        let address = place.as_ptr() as u64;
        self.memory.lock().expect("no test panics with the lock").insert(address, place);
        Ok(address)
    }

    unsafe fn free(&self, address: u64) {
        let mut memory = self.memory.lock().expect("no test panics with the lock");
        assert!(memory.remove(&address).is_some(), "{address} is not allocated");
    }

    unsafe fn upload(&self, to: u64, bytes: &[u8]) -> Result<(), AcceleratorError> {
        self.check(to, bytes.len());
        // SAFETY: the place was checked; nobody else uses it, by the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to as *mut u8, bytes.len()) };
        Ok(())
    }

    unsafe fn download(&self, from: u64, to: &mut [u8]) -> Result<(), AcceleratorError> {
        self.check(from, to.len());
        // SAFETY: the place was checked; nobody else uses it, by the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    unsafe fn launch(&self, launch: &Launch, arguments: &[u8]) -> Result<(), AcceleratorError> {
        let launches = self.launches.fetch_add(1, Ordering::Relaxed) + 1;
        if self.lost_at != 0 && launches >= self.lost_at {
            let (device, reason) = ("this CPU".to_owned(), format!("launch {launches}"));
            return Err(AcceleratorError::Lost { device, reason });
        }
        let kernel = HostKernel {
            name: launch.kernel.name,
            element: launch.kernel.module.element_name(),
            grid: launch.grid,
            shared_bytes: launch.shared_bytes,
            order: launches % 3,
        };
        // SAFETY: the caller's promise.
        unsafe { vicinal_kernels::launch(&kernel, arguments) };
        Ok(())
    }
}
