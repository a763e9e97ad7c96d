//! A manifest file, format version 1.
//!
//! | offset | bytes | field                                                  |
//! |-------:|------:|--------------------------------------------------------|
//! |      0 |     8 | magic `VICNLMAN`                                       |
//! |      8 |     4 | crc32c of (sequence, offset 0), then everything behind |
//! |     12 |     4 | format version                                         |
//! |     16 |     8 | sequence, as in the file's name                        |
//! |     24 |     8 | length of the body, to [`BODY_BYTES_MAX`]              |
//! |     32 |   len | body; this module does not look inside                 |
//!
//! Integers are little-endian; the file ends with the body.

use crate::checksum::checksum;
use crate::fields::{get_u32, get_u64, put_u32, put_u64, to_u64};
use std::ops::Range;

/// The version that this code writes and reads.
pub(super) const VERSION: u32 = 1;

/// Bytes of a body: thousands of segments take some hundred KiB.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

const MAGIC_BYTES: [u8; 8] = *b"VICNLMAN";
const MAGIC: Range<usize> = 0..8;
const CRC: Range<usize> = MAGIC.end..MAGIC.end + 4;
const FORMAT: Range<usize> = CRC.end..CRC.end + 4;
const SEQUENCE: Range<usize> = FORMAT.end..FORMAT.end + 8;
const LEN: Range<usize> = SEQUENCE.end..SEQUENCE.end + 8;
const HEADER_BYTES: usize = LEN.end;
const _: () = assert!(HEADER_BYTES == 32, "the table above says so");

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen<'a> {
    Body(&'a [u8]),
    UnknownVersion { found: u32 },
    Bad(String),
}

pub(super) fn encode(sequence: u64, body: &[u8]) -> Vec<u8> {
    let mut file = vec![0; HEADER_BYTES];
    file[MAGIC].copy_from_slice(&MAGIC_BYTES);
    put_u32(&mut file, FORMAT, VERSION);
    put_u64(&mut file, SEQUENCE, sequence);
    put_u64(&mut file, LEN, to_u64(body.len()));
    file.extend_from_slice(body);
    let crc = checksum(sequence, 0, &file[CRC.end..]);
    put_u32(&mut file, CRC, crc);
    file
}

pub(super) fn decode(file: &[u8], sequence: u64) -> Seen<'_> {
    let Some((header, body)) = file.split_at_checked(HEADER_BYTES) else {
        return Seen::Bad(format!("{} bytes are too few", file.len()));
    };
    if header[MAGIC] != MAGIC_BYTES {
        return Seen::Bad("it does not start as a manifest".to_owned());
    }
    let found = get_u32(header, CRC);
    let expected = checksum(sequence, 0, &file[CRC.end..]);
    if found != expected {
        return Seen::Bad("its checksum is wrong".to_owned());
    }
    let version = get_u32(header, FORMAT);
    if version != VERSION {
        return Seen::UnknownVersion { found: version };
    }
    if get_u64(header, SEQUENCE) != sequence || get_u64(header, LEN) != to_u64(body.len()) {
        return Seen::Bad("its sequence or length is wrong".to_owned());
    }
    Seen::Body(body)
}

const NAME_START: &str = "MANIFEST-";

/// The name of the manifest with that sequence.
pub(super) fn file_name(sequence: u64) -> String {
    format!("{NAME_START}{sequence:020}")
}

/// The sequence in a manifest's name; none if it is another kind of file.
pub(super) fn parse_file_name(name: &str) -> Option<u64> {
    let sequence = name.strip_prefix(NAME_START)?.parse().ok()?;
    (file_name(sequence) == name).then_some(sequence)
}
