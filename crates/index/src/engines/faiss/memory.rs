//! Reading and writing faiss's own format in memory: its calls back have no
//! argument of ours, so what they are about stands in variables of the thread.

use super::native::{Native, done};
use crate::IndexError;
use bytes::{Buf, Bytes};
use faiss::index::{FromInnerPtr, IndexImpl};
use faiss_sys::{
    FaissCustomIOReader, FaissCustomIOWriter, faiss_CustomIOReader_free, faiss_CustomIOReader_new,
    faiss_CustomIOWriter_free, faiss_CustomIOWriter_new, faiss_read_index_custom,
    faiss_write_index_custom,
};
use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr::null_mut;

thread_local! {
    static INPUT: RefCell<Bytes> = const { RefCell::new(Bytes::new()) };
    static OUTPUT: RefCell<Output> = const { RefCell::new(Output::Counted(0)) };
}

/// What is written, or how much.
enum Output {
    Counted(usize),
    Kept(Vec<u8>),
}

/// Reads an index; faiss believes what it reads, so it must have been checked.
pub(super) fn read(file: Bytes) -> Result<Native, IndexError> {
    INPUT.set(file);
    let mut reader = Reader(null_mut());
    // SAFETY: it makes a reader that calls `read_some`.
    done("read", unsafe { faiss_CustomIOReader_new(&raw mut reader.0, Some(read_some)) })?;
    let mut index = null_mut();
    // SAFETY: the reader lives; a reader of ours is a reader.
    let code = unsafe { faiss_read_index_custom(reader.0.cast(), 0, &raw mut index) };
    let rest = INPUT.take();
    done("read its index", code)?;
    // SAFETY: faiss made the index, and nothing else has it.
    let native = Native(unsafe { IndexImpl::from_inner_ptr(index) });
    if !rest.is_empty() {
        let reason = format!("{} bytes follow it", rest.len());
        return Err(IndexError::EngineFailed {
            engine: super::ENGINE,
            task: "read its index",
            reason,
        });
    }
    Ok(native)
}

/// The index as faiss writes it.
pub(super) fn written(native: &Native) -> Result<Vec<u8>, IndexError> {
    match write(native, Output::Kept(Vec::new()))? {
        Output::Kept(bytes) => Ok(bytes),
        Output::Counted(_) => Ok(Vec::new()),
    }
}

/// How many bytes faiss writes.
pub(super) fn written_bytes(native: &Native) -> Result<usize, IndexError> {
    match write(native, Output::Counted(0))? {
        Output::Counted(bytes) => Ok(bytes),
        Output::Kept(bytes) => Ok(bytes.len()),
    }
}

fn write(native: &Native, output: Output) -> Result<Output, IndexError> {
    OUTPUT.set(output);
    let mut writer = Writer(null_mut());
    // SAFETY: it makes a writer that calls `write_some`.
    done("write", unsafe { faiss_CustomIOWriter_new(&raw mut writer.0, Some(write_some)) })?;
    // SAFETY: index and writer live; a writer of ours is a writer.
    let code = unsafe { faiss_write_index_custom(native.0.inner_ptr(), writer.0.cast(), 0) };
    let output = OUTPUT.replace(Output::Counted(0));
    done("write its index", code)?;
    Ok(output)
}

/// Like C's `fread`: how many items it gave, all or none.
unsafe extern "C" fn read_some(to: *mut c_void, size: usize, items: usize) -> usize {
    INPUT.with_borrow_mut(|input| {
        let Some(wanted) = size.checked_mul(items).filter(|&wanted| wanted <= input.len()) else {
            return 0;
        };
        // SAFETY: faiss has room there for the items that it asks for.
        unsafe { std::ptr::copy_nonoverlapping(input.as_ptr(), to.cast(), wanted) };
        input.advance(wanted);
        items
    })
}

/// Like C's `fwrite`: how many items it took, always all.
unsafe extern "C" fn write_some(from: *const c_void, size: usize, items: usize) -> usize {
    let given = size.saturating_mul(items);
    OUTPUT.with_borrow_mut(|output| match output {
        Output::Counted(bytes) => *bytes = bytes.saturating_add(given),
        Output::Kept(_) if given == 0 => {}
        // SAFETY: faiss gives that many bytes.
        Output::Kept(bytes) => unsafe {
            bytes.extend_from_slice(std::slice::from_raw_parts(from.cast(), given));
        },
    });
    items
}

struct Reader(*mut FaissCustomIOReader);

impl Drop for Reader {
    fn drop(&mut self) {
        // SAFETY: faiss made it, or it is null, which C++ may delete; freed once.
        unsafe { faiss_CustomIOReader_free(self.0) };
    }
}

struct Writer(*mut FaissCustomIOWriter);

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: faiss made it, or it is null, which C++ may delete; freed once.
        unsafe { faiss_CustomIOWriter_free(self.0) };
    }
}
