//! The GPU's kernels compiled as host C++ and held against the scalar definition.
//!
//! A header stands in for threads, blocks, warps and tensor cores; the bodies of the
//! kernels and the shapes of their launches are those of a device.

use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::Mutex;

/// The structure of the same name in `host.cpp`.
#[repr(C)]
struct HostLaunch {
    grid_x: u32,
    grid_y: u32,
    shared_bytes: u32,
    order: u32,
}

unsafe extern "C" {
    fn host_launch(
        name: *const c_char,
        element: *const c_char,
        launch: *const HostLaunch,
        args: *const c_void,
    ) -> c_int;
}

/// A launch of a kernel by name.
pub struct HostKernel<'a> {
    /// The kernel's name.
    pub name: &'a str,
    /// The macro ELEMENT, or empty.
    pub element: &'a str,
    /// Blocks.
    pub grid: (u32, u32),
    /// Dynamic shared memory of each.
    pub shared_bytes: u32,
    /// In which order threads take their turns.
    pub order: u32,
}

/// Shared memory of the stand-in is of the process: one kernel at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Runs a kernel to its end on this thread.
///
/// # Safety
/// `args` is the kernel's structure of arguments, and what its addresses name is there,
/// as large as the kernel expects, and nobody else's meanwhile.
///
/// # Panics
/// If there is no such kernel.
pub unsafe fn launch(kernel: &HostKernel<'_>, args: &[u8]) {
    let text = |text: &str| CString::new(text).expect("names have no zeros");
    let (name, element) = (text(kernel.name), text(kernel.element));
    let (grid_x, grid_y) = kernel.grid;
    let HostKernel { shared_bytes, order, .. } = *kernel;
    let launch = HostLaunch { grid_x, grid_y, shared_bytes, order };
    let turn = TURN.lock();
    // SAFETY: the names end with zeros, `launch` is the structure expected, and what
    // `args` names is the caller's promise.
    let unknown = unsafe {
        host_launch(name.as_ptr(), element.as_ptr(), &raw const launch, args.as_ptr().cast())
    };
    drop(turn);
    assert_eq!(unknown, 0, "there is no kernel {} of {:?}", kernel.name, kernel.element);
}
