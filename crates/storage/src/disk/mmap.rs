//! Memory maps: the only unsafe code of this crate.

use bytes::Bytes;
use memmap2::Mmap;
use rustix::mm::{Advice, madvise};
use std::ffi::c_void;
use std::fs::File;
use std::io;

/// Maps the whole file, read-only.
pub(super) fn map(file: &File) -> io::Result<Bytes> {
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: nobody changes or cuts the file while it is mapped. Files that are
    // mapped are immutable once they have their final name, the data directory
    // is locked against a second server and open to its owner only (0700), and
    // readers check length and checksums before they use the bytes.
    let mapping = unsafe { Mmap::map(file)? };
    Ok(Bytes::from_owner(mapping))
}

/// Tells the system that mapped bytes are read here and there from now on: a read
/// takes its own page from the disk, not those around it as well.
///
/// Bytes that are not mapped are none the worse for it.
///
/// # Errors
/// What the system says.
pub fn advise_scattered(bytes: &[u8]) -> io::Result<()> {
    advise(bytes, Advice::Random)
}

/// Takes the pages of mapped bytes out of memory, for measuring: the next reads
/// get them from the disk. The system leaves those in memory that another process
/// has mapped.
///
/// # Errors
/// What the system says.
pub fn page_out(bytes: &[u8]) -> io::Result<()> {
    advise(bytes, Advice::LinuxPageOut)
}

/// How many of the whole pages of mapped bytes are in memory, whoever read them.
///
/// # Errors
/// What the system says.
pub fn resident_pages(bytes: &[u8]) -> io::Result<usize> {
    let whole = whole_pages(bytes);
    if whole.is_empty() {
        return Ok(0);
    }
    let mut pages = vec![0_u8; whole.len().div_ceil(rustix::param::page_size())];
    let (start, len) = (whole.as_ptr().cast_mut().cast::<c_void>(), whole.len());
    // SAFETY: the range starts on a page and is borrowed, hence mapped; the system
    // writes a byte for each of its pages, as many as `pages` has, and nothing else.
    if unsafe { libc::mincore(start, len, pages.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(pages.iter().filter(|&&page| page & 1 == 1).count())
}

fn advise(bytes: &[u8], advice: Advice) -> io::Result<()> {
    let whole = whole_pages(bytes);
    if whole.is_empty() {
        return Ok(());
    }
    debug_assert!(matches!(advice, Advice::Random | Advice::LinuxPageOut));
    // SAFETY: the range starts on a page and is borrowed, hence mapped. Neither
    // advice that comes here changes what its bytes are: the one says how much to
    // read, the other writes pages back before it drops them.
    unsafe { madvise(whole.as_ptr().cast_mut().cast(), whole.len(), advice) }?;
    Ok(())
}

/// The bytes without the parts of pages at either end, which others may share.
fn whole_pages(bytes: &[u8]) -> &[u8] {
    let page = rustix::param::page_size();
    let start = bytes.as_ptr().align_offset(page).min(bytes.len());
    let len = (bytes.len() - start) / page * page;
    &bytes[start..start + len]
}
