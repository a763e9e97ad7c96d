//! A section file, format version 1.
//!
//! ```text
//! | header | section | section | … | table | trailer |
//! 0        4 KiB     each on a 4 KiB boundary, zeros between    end
//! ```
//!
//! Header, then zeros to [`ALIGNMENT`]:
//!
//! | offset | bytes | field                                                  |
//! |-------:|------:|--------------------------------------------------------|
//! |      0 |     8 | magic `VICNLSEG`                                       |
//! |      8 |     4 | crc32c of (file number, offset 0), then bytes 12 to 64 |
//! |     12 |     4 | format version                                         |
//! |     16 |     8 | file number                                            |
//! |     24 |     8 | incompatible features: unknown ones forbid reading     |
//! |     32 |     8 | compatible features: unknown ones may be ignored       |
//! |     40 |    24 | reserved, zero                                         |
//!
//! Table, directly behind the zeros of the last section; one line per section:
//!
//! | offset | bytes | field                                                  |
//! |-------:|------:|--------------------------------------------------------|
//! |      0 |     4 | kind                                                   |
//! |      4 |     2 | version of the section's own format                    |
//! |      6 |     2 | codec; 0 is none                                       |
//! |      8 |     4 | crc32c of (file number, offset of the section), bytes  |
//! |     12 |     4 | reserved, zero                                         |
//! |     16 |     8 | offset of the section                                  |
//! |     24 |     8 | bytes of the section, without the zeros behind it      |
//!
//! Trailer, the last bytes of the file:
//!
//! | offset | bytes | field                                                  |
//! |-------:|------:|--------------------------------------------------------|
//! |      0 |     4 | crc32c of (file number, offset of the table), the      |
//! |        |       | table, then bytes 4 to 32                              |
//! |      4 |     4 | sections in the table                                  |
//! |      8 |     8 | offset of the table                                    |
//! |     16 |     8 | bytes of the file                                      |
//! |     24 |     8 | magic `VICNLEND`                                       |
//!
//! Integers are little-endian. Sections stand in the order of the table, each on
//! the first boundary behind the one before, so the layout has no freedom.

use crate::checksum::checksum;
use crate::fields::{get_u16, get_u32, get_u64, put_u16, put_u32, put_u64, to_u64};
use std::fmt;
use std::ops::Range;

/// The version that this code writes and reads.
pub(super) const VERSION: u32 = 1;

/// Sections start on multiples of this: the page of every machine we run on.
pub(super) const ALIGNMENT: u64 = 4096;

/// Features without which a file cannot be read; none yet.
pub(super) const INCOMPATIBLE_KNOWN: u64 = 0;

/// The only codec so far: the bytes as they are.
pub(super) const CODEC_NONE: u16 = 0;

/// Sections of one file: a few per column of the widest schema.
pub const SECTIONS_MAX: usize = 4096;

const MAGIC: [u8; 8] = *b"VICNLSEG";
const HEAD_MAGIC: Range<usize> = 0..8;
const HEAD_CRC: Range<usize> = HEAD_MAGIC.end..HEAD_MAGIC.end + 4;
const HEAD_VERSION: Range<usize> = HEAD_CRC.end..HEAD_CRC.end + 4;
const HEAD_NUMBER: Range<usize> = HEAD_VERSION.end..HEAD_VERSION.end + 8;
const HEAD_INCOMPATIBLE: Range<usize> = HEAD_NUMBER.end..HEAD_NUMBER.end + 8;
const HEAD_COMPATIBLE: Range<usize> = HEAD_INCOMPATIBLE.end..HEAD_INCOMPATIBLE.end + 8;
const HEAD_RESERVED: Range<usize> = HEAD_COMPATIBLE.end..HEAD_COMPATIBLE.end + 24;
const HEAD_BYTES: usize = HEAD_RESERVED.end;
const _: () = assert!(HEAD_BYTES == 64, "the table above says so");
/// The header with the zeros behind it.
pub(super) const HEADER_BYTES: usize = 4096;
const _: () = assert!(HEADER_BYTES as u64 == ALIGNMENT, "the first section follows");

const KIND: Range<usize> = 0..4;
const SECTION_VERSION: Range<usize> = KIND.end..KIND.end + 2;
const CODEC: Range<usize> = SECTION_VERSION.end..SECTION_VERSION.end + 2;
const CRC: Range<usize> = CODEC.end..CODEC.end + 4;
const RESERVED: Range<usize> = CRC.end..CRC.end + 4;
const OFFSET: Range<usize> = RESERVED.end..RESERVED.end + 8;
const LEN: Range<usize> = OFFSET.end..OFFSET.end + 8;
const LINE_BYTES: usize = LEN.end;
const _: () = assert!(LINE_BYTES == 32, "the table above says so");

const END_MAGIC_BYTES: [u8; 8] = *b"VICNLEND";
const END_CRC: Range<usize> = 0..4;
const END_COUNT: Range<usize> = END_CRC.end..END_CRC.end + 4;
const END_TABLE: Range<usize> = END_COUNT.end..END_COUNT.end + 8;
const END_FILE: Range<usize> = END_TABLE.end..END_TABLE.end + 8;
const END_MAGIC: Range<usize> = END_FILE.end..END_FILE.end + 8;
const TRAILER_BYTES: usize = END_MAGIC.end;
const _: () = assert!(TRAILER_BYTES == 32, "the table above says so");

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) kind: u32,
    pub(super) version: u16,
    pub(super) codec: u16,
    pub(super) crc: u32,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// Why a file is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    Short { bytes: u64 },
    Magic,
    HeaderChecksum,
    Version { found: u32 },
    Number { found: u64 },
    Features { unknown: u64 },
    Reserved { offset: u64 },
    TrailerMagic,
    Length { recorded: u64, found: u64 },
    Table,
    TableChecksum,
    Layout { kind: u32 },
    Codec { kind: u32, codec: u16 },
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { bytes } => write!(f, "{bytes} bytes are too few for a section file"),
            Self::Magic => f.write_str("it does not start as a section file"),
            Self::HeaderChecksum => f.write_str("the header's checksum is wrong"),
            Self::Version { found } => {
                write!(f, "it has format version {found}, this program reads version {VERSION}")
            }
            Self::Number { found } => write!(f, "it is file number {found}"),
            Self::Features { unknown } => {
                write!(f, "it needs features that this program lacks (mask {unknown:#x})")
            }
            Self::Reserved { offset } => write!(f, "byte {offset} should be zero"),
            Self::TrailerMagic => f.write_str("it does not end as a section file"),
            Self::Length { recorded, found } => {
                write!(f, "it has {found} bytes, {recorded} were written")
            }
            Self::Table => f.write_str("the section table is not where it should be"),
            Self::TableChecksum => f.write_str("the section table's checksum is wrong"),
            Self::Layout { kind } => {
                write!(f, "section {kind:#x} is not where the layout puts it")
            }
            Self::Codec { kind, codec } => {
                write!(f, "section {kind:#x} has codec {codec}, this program reads {CODEC_NONE}")
            }
        }
    }
}

/// The first boundary at or behind an offset.
pub(super) fn aligned(offset: u64) -> Option<u64> {
    offset.checked_next_multiple_of(ALIGNMENT)
}

/// The header with the zeros behind it.
pub(super) fn encode_header(file_number: u64) -> Vec<u8> {
    let mut header = vec![0; HEADER_BYTES];
    header[HEAD_MAGIC].copy_from_slice(&MAGIC);
    put_u32(&mut header, HEAD_VERSION, VERSION);
    put_u64(&mut header, HEAD_NUMBER, file_number);
    let crc = checksum(file_number, 0, &header[HEAD_CRC.end..HEAD_BYTES]);
    put_u32(&mut header, HEAD_CRC, crc);
    header
}

/// Checks the header of the file with that number.
pub(super) fn check_header(file: &[u8], file_number: u64) -> Result<(), Bad> {
    let bytes = to_u64(file.len());
    let header = file.get(..HEADER_BYTES).ok_or(Bad::Short { bytes })?;
    if header[HEAD_MAGIC] != MAGIC {
        return Err(Bad::Magic);
    }
    let number = get_u64(header, HEAD_NUMBER);
    let crc = checksum(number, 0, &header[HEAD_CRC.end..HEAD_BYTES]);
    if get_u32(header, HEAD_CRC) != crc {
        return Err(Bad::HeaderChecksum);
    }
    let found = get_u32(header, HEAD_VERSION);
    if found != VERSION {
        return Err(Bad::Version { found });
    }
    if number != file_number {
        return Err(Bad::Number { found: number });
    }
    let unknown = get_u64(header, HEAD_INCOMPATIBLE) & !INCOMPATIBLE_KNOWN;
    if unknown != 0 {
        return Err(Bad::Features { unknown });
    }
    check_zeros(header, HEAD_RESERVED.start..HEADER_BYTES)
}

/// Checks that a range of the file is zero.
pub(super) fn check_zeros(file: &[u8], range: Range<usize>) -> Result<(), Bad> {
    let zeros = file.get(range.clone()).ok_or(Bad::Table)?;
    match zeros.iter().position(|byte| *byte != 0) {
        None => Ok(()),
        Some(at) => Err(Bad::Reserved { offset: to_u64(range.start + at) }),
    }
}

/// Table and trailer of a file whose table stands at that offset.
pub(super) fn encode_footer(lines: &[Line], file_number: u64, table_offset: u64) -> Vec<u8> {
    let mut footer = vec![0; lines.len() * LINE_BYTES + TRAILER_BYTES];
    for (line, bytes) in lines.iter().zip(footer.chunks_mut(LINE_BYTES)) {
        put_u32(bytes, KIND, line.kind);
        put_u16(bytes, SECTION_VERSION, line.version);
        put_u16(bytes, CODEC, line.codec);
        put_u32(bytes, CRC, line.crc);
        put_u64(bytes, OFFSET, line.offset);
        put_u64(bytes, LEN, line.bytes);
    }
    let file_bytes = table_offset + to_u64(footer.len());
    let count = u32::try_from(lines.len()).expect("the writer keeps SECTIONS_MAX");
    let (table, trailer) = footer.split_at_mut(lines.len() * LINE_BYTES);
    put_u32(trailer, END_COUNT, count);
    put_u64(trailer, END_TABLE, table_offset);
    put_u64(trailer, END_FILE, file_bytes);
    trailer[END_MAGIC].copy_from_slice(&END_MAGIC_BYTES);
    let crc = footer_checksum(table, trailer, file_number, table_offset);
    put_u32(trailer, END_CRC, crc);
    footer
}

fn footer_checksum(table: &[u8], trailer: &[u8], file_number: u64, table_offset: u64) -> u32 {
    let crc = checksum(file_number, table_offset, table);
    crc32c::crc32c_append(crc, &trailer[END_CRC.end..])
}

/// Reads and checks trailer and table of the file with that number.
pub(super) fn decode_footer(file: &[u8], file_number: u64) -> Result<Vec<Line>, Bad> {
    let found = to_u64(file.len());
    let short = Bad::Short { bytes: found };
    let (body, trailer) = file.split_last_chunk::<TRAILER_BYTES>().ok_or(short)?;
    if trailer[END_MAGIC] != END_MAGIC_BYTES {
        return Err(Bad::TrailerMagic);
    }
    let recorded = get_u64(trailer, END_FILE);
    if recorded != found {
        return Err(Bad::Length { recorded, found });
    }
    let count = usize::try_from(get_u32(trailer, END_COUNT)).unwrap_or(usize::MAX);
    let table_offset = get_u64(trailer, END_TABLE);
    let table = usize::try_from(table_offset).ok().and_then(|start| body.get(start..));
    let table = table.filter(|table| count <= SECTIONS_MAX && table.len() == count * LINE_BYTES);
    let table = table.ok_or(Bad::Table)?;
    if get_u32(trailer, END_CRC) != footer_checksum(table, trailer, file_number, table_offset) {
        return Err(Bad::TableChecksum);
    }
    let mut lines = Vec::with_capacity(count);
    let mut expected = ALIGNMENT;
    for bytes in table.chunks(LINE_BYTES) {
        let line = decode_line(bytes)?;
        let end = line.offset.checked_add(line.bytes).and_then(aligned);
        let bad = Bad::Layout { kind: line.kind };
        if line.offset != expected {
            return Err(bad);
        }
        expected = end.filter(|end| *end <= table_offset).ok_or(bad)?;
        lines.push(line);
    }
    if expected == table_offset { Ok(lines) } else { Err(Bad::Table) }
}

fn decode_line(bytes: &[u8]) -> Result<Line, Bad> {
    let line = Line {
        kind: get_u32(bytes, KIND),
        version: get_u16(bytes, SECTION_VERSION),
        codec: get_u16(bytes, CODEC),
        crc: get_u32(bytes, CRC),
        offset: get_u64(bytes, OFFSET),
        bytes: get_u64(bytes, LEN),
    };
    if line.codec != CODEC_NONE {
        let Line { kind, codec, .. } = line;
        return Err(Bad::Codec { kind, codec });
    }
    if get_u32(bytes, RESERVED) != 0 {
        return Err(Bad::Layout { kind: line.kind });
    }
    Ok(line)
}
