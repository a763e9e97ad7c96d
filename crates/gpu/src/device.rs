//! What is asked of a device, and memory on it.

use crate::launch::{DeviceFacts, Launch};
use std::sync::Arc;
use vicinal_index::AcceleratorError;

/// A device: memory, copies, kernels. Implemented for CUDA, and by tests for this CPU.
///
/// Every method blocks until the device has done what it says, but for launches, which
/// are done by the next download.
pub trait Device: Send + Sync {
    /// What is known of it.
    fn facts(&self) -> &DeviceFacts;

    /// Memory for so many bytes, at least one, aligned to 256; what is in it is unknown.
    ///
    /// # Errors
    /// [`AcceleratorError::OutOfMemory`] if there is none, others if the device fails.
    fn alloc(&self, bytes: usize) -> Result<u64, AcceleratorError>;

    /// Gives memory back; what the device still does with it is done before.
    ///
    /// # Safety
    /// The address is one of [`alloc`](Self::alloc) and is not used again.
    unsafe fn free(&self, address: u64);

    /// Copies bytes to the device; searches go on meanwhile.
    ///
    /// # Safety
    /// As many bytes are allocated there, and no launch uses them.
    ///
    /// # Errors
    /// [`AcceleratorError`] if the device fails.
    unsafe fn upload(&self, to: u64, bytes: &[u8]) -> Result<(), AcceleratorError>;

    /// Copies bytes from the device, behind all launches.
    ///
    /// # Safety
    /// As many bytes are allocated there.
    ///
    /// # Errors
    /// [`AcceleratorError`] if the device, or a launch before, fails.
    unsafe fn download(&self, from: u64, to: &mut [u8]) -> Result<(), AcceleratorError>;

    /// Starts a kernel behind those that were started before.
    ///
    /// # Safety
    /// `arguments` is the structure that the kernel takes; its addresses stay allocated
    /// until the next download returns, as large as the kernel expects.
    ///
    /// # Errors
    /// [`AcceleratorError`] if the kernel cannot be had or the device fails.
    unsafe fn launch(&self, launch: &Launch, arguments: &[u8]) -> Result<(), AcceleratorError>;
}

/// Memory on a device, given back when dropped.
pub(crate) struct Buffer<D: Device> {
    device: Arc<D>,
    address: u64,
    bytes: usize,
}

impl<D: Device> Buffer<D> {
    pub(crate) fn new(device: &Arc<D>, bytes: usize) -> Result<Self, AcceleratorError> {
        let bytes = bytes.max(1);
        let address = device.alloc(bytes)?;
        Ok(Self { device: Arc::clone(device), address, bytes })
    }

    pub(crate) fn address(&self) -> u64 {
        self.address
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies bytes to a place in it.
    ///
    /// # Safety
    /// No launch uses the place meanwhile.
    pub(crate) unsafe fn upload(&self, at: usize, bytes: &[u8]) -> Result<(), AcceleratorError> {
        assert!(at + bytes.len() <= self.bytes, "{at} and {} of {}", bytes.len(), self.bytes);
        // SAFETY: the place is within this memory, as was checked; the rest is promised.
        unsafe { self.device.upload(self.address + at as u64, bytes) }
    }

    /// Copies bytes from a place in it, behind all launches.
    pub(crate) fn download(&self, at: usize, to: &mut [u8]) -> Result<(), AcceleratorError> {
        assert!(at + to.len() <= self.bytes, "{at} and {} of {}", to.len(), self.bytes);
        // SAFETY: the place is within this memory, as was checked.
        unsafe { self.device.download(self.address + at as u64, to) }
    }
}

impl<D: Device> Drop for Buffer<D> {
    fn drop(&mut self) {
        // SAFETY: the address came from `alloc`, and nobody has it any more: those who
        // launch with it keep this buffer until they have downloaded.
        unsafe { self.device.free(self.address) }
    }
}
