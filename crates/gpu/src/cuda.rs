//! Devices by CUDA's driver, which is looked for at run time.
//!
//! Of cudarc only the bare calls are taken, each of them after the look whether the
//! library is there: a missing one would be a panic.

use crate::compile::{compile, has_compiler};
use crate::device::Device;
use crate::launch::{BLOCK_THREADS, DeviceFacts, Launch};
use crate::sources::{Kernel, Module};
use cudarc::driver::{DriverError, result, sys};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use vicinal_index::AcceleratorError;

/// Dynamic shared memory that a kernel may have without being told: of 48 KiB in all, the
/// kernels have some of their own.
const SHARED_BYTES_PLAIN: u32 = 32 * 1024;

/// Why no device can be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoDevices {
    /// There is no driver.
    #[error("there is no CUDA driver (libcuda) on this machine")]
    NoDriver,
    /// There is nothing that compiles kernels.
    #[error("there is a CUDA driver, but no libnvrtc: install CUDA's NVRTC")]
    NoCompiler,
    /// The driver knows of no device, or fails.
    #[error("the CUDA driver offers no device: {0}")]
    Driver(String),
}

/// A device by CUDA's driver.
pub struct Cuda {
    facts: DeviceFacts,
    handle: sys::CUdevice,
    context: sys::CUcontext,
    /// Kernels and downloads, in order.
    work: sys::CUstream,
    /// Uploads; what waits there holds up no search.
    copies: sys::CUstream,
    /// Rank 0.
    loaded: Mutex<Loaded>,
    is_lost: AtomicBool,
}

#[derive(Default)]
struct Loaded {
    modules: HashMap<Module, sys::CUmodule>,
    functions: HashMap<Kernel, sys::CUfunction>,
}

// SAFETY: the handles are numbers of the driver, which any thread may use; every method
// makes the context that of its thread first.
unsafe impl Send for Cuda {}
// SAFETY: as above; the driver orders calls on one stream by itself.
unsafe impl Sync for Cuda {}

impl Cuda {
    /// All devices of this machine of compute capability 8.0 and more.
    ///
    /// # Errors
    /// [`NoDevices`] says what is missing.
    pub fn all() -> Result<Vec<Self>, NoDevices> {
        // SAFETY: it only looks for the library.
        if !unsafe { sys::is_culib_present() } {
            return Err(NoDevices::NoDriver);
        }
        if !has_compiler() {
            return Err(NoDevices::NoCompiler);
        }
        let driver = |error: DriverError| NoDevices::Driver(format!("{error:?}"));
        result::init().map_err(driver)?;
        let count = result::device::get_count().map_err(driver)?;
        let mut devices = Vec::new();
        for ordinal in 0..count {
            let device = Self::open(ordinal).map_err(driver)?;
            if device.facts.capability >= 80 {
                devices.push(device);
            } else {
                let DeviceFacts { name, capability, .. } = &device.facts;
                tracing::info!(name, capability, "this device is too old for the kernels");
            }
        }
        if devices.is_empty() {
            let none = "none of compute capability 8.0 or more".to_owned();
            return Err(NoDevices::Driver(none));
        }
        Ok(devices)
    }

    fn open(ordinal: i32) -> Result<Self, DriverError> {
        let handle = result::device::get(ordinal)?;
        let facts = facts(handle)?;
        // SAFETY: the handle is of a device; the context is released when `self` is dropped.
        let context = unsafe { result::primary_ctx::retain(handle)? };
        // SAFETY: the context was retained above.
        unsafe { result::ctx::set_current(context)? };
        let work = result::stream::create(result::stream::StreamKind::NonBlocking)?;
        let copies = result::stream::create(result::stream::StreamKind::NonBlocking)?;
        let (loaded, is_lost) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self { facts, handle, context, work, copies, loaded, is_lost })
    }

    /// Makes the device that of this thread.
    fn enter(&self) -> Result<(), AcceleratorError> {
        if self.is_lost.load(Ordering::Relaxed) {
            let (device, reason) = (self.facts.name.clone(), "it was lost before".to_owned());
            return Err(AcceleratorError::Lost { device, reason });
        }
        // SAFETY: the context is retained until `self` is dropped.
        unsafe { result::ctx::set_current(self.context) }.map_err(|error| self.lost(error))
    }

    /// An error of a kernel, a copy or a wait sticks to the context: nothing works on it
    /// from then on.
    fn lost(&self, error: DriverError) -> AcceleratorError {
        self.is_lost.store(true, Ordering::Relaxed);
        let (device, reason) = (self.facts.name.clone(), format!("{error:?}"));
        AcceleratorError::Lost { device, reason }
    }

    fn failed(&self, reason: String) -> AcceleratorError {
        AcceleratorError::Failed { device: self.facts.name.clone(), reason }
    }

    /// The kernel, compiled and loaded at its first use.
    fn function(&self, kernel: Kernel, shared: u32) -> Result<sys::CUfunction, AcceleratorError> {
        let mut loaded = self.loaded.lock();
        let loaded = &mut *loaded;
        let function = match loaded.functions.get(&kernel) {
            Some(function) => *function,
            None => {
                let module = self.module(kernel.module, &mut loaded.modules)?;
                let name =
                    CString::new(kernel.name).map_err(|error| self.failed(error.to_string()))?;
                // SAFETY: modules are never unloaded while `self` is there.
                let function = unsafe { result::module::get_function(module, name) };
                let function = function.map_err(|error| self.failed(format!("{error:?}")))?;
                loaded.functions.insert(kernel, function);
                function
            }
        };
        if shared > SHARED_BYTES_PLAIN {
            let most =
                sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let bytes = i32::try_from(shared).unwrap_or(i32::MAX);
            // SAFETY: the function is of a loaded module.
            unsafe { result::function::set_function_attribute(function, most, bytes) }.map_err(
                |error| self.failed(format!("{shared} bytes of shared memory: {error:?}")),
            )?;
        }
        Ok(function)
    }

    fn module(
        &self,
        module: Module,
        modules: &mut HashMap<Module, sys::CUmodule>,
    ) -> Result<sys::CUmodule, AcceleratorError> {
        if let Some(module) = modules.get(&module) {
            return Ok(*module);
        }
        let code = compile(module, self.facts.capability)
            .map_err(|error| self.failed(error.to_string()))?;
        // SAFETY: the code is a whole image of this device's architecture, by NVRTC.
        let image = unsafe { result::module::load_data(code.as_ptr().cast()) };
        let image = image.map_err(|error| self.failed(format!("{}: {error:?}", module.name())))?;
        modules.insert(module, image);
        Ok(image)
    }

    fn wait(&self, stream: sys::CUstream) -> Result<(), AcceleratorError> {
        // SAFETY: the stream is one of ours and is destroyed with `self`.
        unsafe { result::stream::synchronize(stream) }.map_err(|error| self.lost(error))
    }
}

fn facts(handle: sys::CUdevice) -> Result<DeviceFacts, DriverError> {
    use sys::CUdevice_attribute_enum as Attribute;
    let attribute = |of| {
        // SAFETY: the handle is of a device.
        let value = unsafe { result::device::get_attribute(handle, of)? };
        Ok::<u32, DriverError>(u32::try_from(value).unwrap_or(0))
    };
    let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    Ok(DeviceFacts {
        name: result::device::get_name(handle)?,
        // SAFETY: the handle is of a device.
        memory_bytes: unsafe { result::device::total_mem(handle)? } as u64,
        multiprocessors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        shared_bytes: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
        capability: major * 10 + minor,
    })
}

impl Device for Cuda {
    fn facts(&self) -> &DeviceFacts {
        &self.facts
    }

    fn alloc(&self, bytes: usize) -> Result<u64, AcceleratorError> {
        self.enter()?;
        // SAFETY: what is in the memory is read by nobody before it is written.
        match unsafe { result::malloc_sync(bytes) } {
            Ok(address) => Ok(address),
            Err(DriverError(sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => {
                let free = result::mem_get_info().map_or(0, |(free, _)| free);
                let (wanted_bytes, budget_bytes) = (bytes as u64, free as u64);
                Err(AcceleratorError::OutOfMemory { wanted_bytes, budget_bytes })
            }
            Err(error) => Err(self.lost(error)),
        }
    }

    unsafe fn free(&self, address: u64) {
        // A lost device's memory is gone with it.
        if self.enter().and_then(|()| self.wait(self.work)).is_err() {
            return;
        }
        // SAFETY: the address came from `alloc`, by the caller's promise, and the work that
        // may have used it is done.
        if let Err(error) = unsafe { result::free_sync(address) } {
            tracing::warn!(device = self.facts.name, ?error, "device memory is not given back");
        }
    }

    unsafe fn upload(&self, to: u64, bytes: &[u8]) -> Result<(), AcceleratorError> {
        self.enter()?;
        // SAFETY: the caller's promise; `bytes` stay until the wait below has returned.
        unsafe { result::memcpy_htod_async(to, bytes, self.copies) }
            .map_err(|error| self.lost(error))?;
        self.wait(self.copies)
    }

    unsafe fn download(&self, from: u64, to: &mut [u8]) -> Result<(), AcceleratorError> {
        self.enter()?;
        // SAFETY: the caller's promise; `to` stays until the wait below has returned.
        unsafe { result::memcpy_dtoh_async(to, from, self.work) }
            .map_err(|error| self.lost(error))?;
        self.wait(self.work)
    }

    unsafe fn launch(&self, launch: &Launch, arguments: &[u8]) -> Result<(), AcceleratorError> {
        self.enter()?;
        let function = self.function(launch.kernel, launch.shared_bytes)?;
        // The driver copies the structure before the call returns; it wants it aligned.
        let mut aligned: Vec<u64> = Vec::with_capacity(arguments.len().div_ceil(8));
        for word in arguments.chunks(8) {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            aligned.push(u64::from_le_bytes(bytes));
        }
        let mut parameters = [aligned.as_mut_ptr().cast::<c_void>()];
        let (grid, block) = ((launch.grid.0, launch.grid.1, 1), (BLOCK_THREADS, 1, 1));
        // SAFETY: every kernel takes one structure, whose bytes these are, by the caller's
        // promise, as are the addresses in it.
        unsafe {
            result::launch_kernel(
                function,
                grid,
                block,
                launch.shared_bytes,
                self.work,
                &mut parameters,
            )
        }
        .map_err(|error| self.lost(error))
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        if self.enter().is_err() {
            return;
        }
        for stream in [self.work, self.copies] {
            // SAFETY: the streams were made by `open` and are destroyed once.
            if let Err(error) = unsafe { result::stream::destroy(stream) } {
                tracing::warn!(device = self.facts.name, ?error, "a stream stays");
            }
        }
        // SAFETY: the context was retained by `open` and is released once.
        if let Err(error) = unsafe { result::primary_ctx::release(self.handle) } {
            tracing::warn!(device = self.facts.name, ?error, "a context stays");
        }
    }
}
