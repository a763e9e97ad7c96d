//! Section files: immutable, checksummed, memory-mapped.
//!
//! Row files, index files and tombstone files of segments are all section files;
//! what a section means is its owner's business. A file is written aside and gets
//! its name when it is complete and durable, so a file under its final name that
//! does not open is damage, never a leftover of a crash.

mod error;
mod format;
mod reader;
mod writer;

pub use error::SegmentError;
pub use format::SECTIONS_MAX;
pub use reader::{Section, SectionFile, SectionInfo};
pub use writer::SectionWriter;
