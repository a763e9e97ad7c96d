//! Memory maps: the only unsafe code of this crate.

use bytes::Bytes;
use memmap2::Mmap;
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
