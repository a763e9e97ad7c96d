//! Files and records of the write-ahead log, format version 1.
//!
//! A log is a row of files numbered without gaps. A file is a header and then
//! records, one directly behind the other, to its end.
//!
//! File header:
//!
//! | offset | bytes | field                                                  |
//! |-------:|------:|--------------------------------------------------------|
//! |      0 |     8 | magic `VICNLLOG`                                       |
//! |      8 |     4 | crc32c of (file number, offset 0), then bytes 12 to 32 |
//! |     12 |     4 | format version                                         |
//! |     16 |     8 | file number, as in the file's name                     |
//! |     24 |     8 | reserved, zero                                         |
//!
//! Record:
//!
//! | offset | bytes | field                                                  |
//! |-------:|------:|--------------------------------------------------------|
//! |      0 |     4 | crc32c of (file number, offset of the record), then    |
//! |        |       | everything behind this field                           |
//! |      4 |     4 | length of the payload, to [`PAYLOAD_BYTES_MAX`]        |
//! |      8 |     1 | kind, see [`Kind`]                                     |
//! |      9 |     1 | detail: of entries their own kind, of states 1 if      |
//! |        |       | there is a vote + 2 if there are no entries            |
//! |     10 |     2 | reserved, zero                                         |
//! |     12 |     4 | synced: bytes of this file that were known to be       |
//! |        |       | durable when the record was made                       |
//! |     16 |     8 | group                                                  |
//! |     24 |     8 | index, to [`INDEX_MAX`]: of entries their own, of      |
//! |        |       | states the purged one                                  |
//! |     32 |     8 | term: of entries their own, of states the purged one   |
//! |     40 |   len | payload: the entry's data, or a state's vote           |
//!
//! Payload of a state: vote's term, vote, commit, eight bytes each.
//!
//! Integers are little-endian. `synced` is what tells a torn write from damage:
//! a record that says "everything below X is durable" proves that a bad record
//! below X was once good.

use crate::checksum::checksum;
use crate::fields::{get_u16, get_u32, get_u64, put_u32, put_u64, to_u64};
use crate::log::{LogPosition, VoteState};
use std::ops::Range;
use vicinal_types::{GroupId, limits};

/// The version that this code writes and reads.
pub(super) const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"VICNLLOG";
const FILE_MAGIC: Range<usize> = 0..8;
const FILE_CRC: Range<usize> = FILE_MAGIC.end..FILE_MAGIC.end + 4;
const FILE_VERSION: Range<usize> = FILE_CRC.end..FILE_CRC.end + 4;
const FILE_NUMBER: Range<usize> = FILE_VERSION.end..FILE_VERSION.end + 8;
const FILE_RESERVED: Range<usize> = FILE_NUMBER.end..FILE_NUMBER.end + 8;
/// Bytes of the file header.
pub(super) const FILE_HEADER_BYTES: usize = FILE_RESERVED.end;
const _: () = assert!(FILE_HEADER_BYTES == 32, "the table above says so");

const CRC: Range<usize> = 0..4;
const LEN: Range<usize> = CRC.end..CRC.end + 4;
const KIND: usize = LEN.end;
const DETAIL: usize = KIND + 1;
const RESERVED: Range<usize> = DETAIL + 1..DETAIL + 3;
const SYNCED: Range<usize> = RESERVED.end..RESERVED.end + 4;
const GROUP: Range<usize> = SYNCED.end..SYNCED.end + 8;
const INDEX: Range<usize> = GROUP.end..GROUP.end + 8;
const TERM: Range<usize> = INDEX.end..INDEX.end + 8;
/// Bytes of a record in front of its payload.
pub(super) const RECORD_HEADER_BYTES: usize = TERM.end;
const _: () = assert!(RECORD_HEADER_BYTES == 40, "the table above says so");

const VOTE_TERM: Range<usize> = 0..8;
const VOTE: Range<usize> = VOTE_TERM.end..VOTE_TERM.end + 8;
const COMMIT: Range<usize> = VOTE.end..VOTE.end + 8;
const STATE_BYTES: usize = COMMIT.end;

/// Bytes of one payload: a command and whatever wraps it.
pub(super) const PAYLOAD_BYTES_MAX: usize = limits::MESSAGE_BYTES_MAX;
const _: () = assert!(limits::COMMAND_BYTES_MAX < PAYLOAD_BYTES_MAX, "a command must fit");

/// The highest index, so that the one behind it can always be named.
pub(super) const INDEX_MAX: u64 = u64::MAX - 2;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An entry; it replaces everything from its index on of its group.
    Entry = 1,
    /// The vote and the purged position of a group, whole.
    State = 2,
    /// The group is gone for good.
    Forget = 3,
    /// A copy of an entry that stands in an older file, so that the older file
    /// can go; it replaces nothing.
    Moved = 4,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Entry, Self::State, Self::Forget, Self::Moved]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// One record, its payload where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) kind: Kind,
    pub(super) detail: u8,
    pub(super) synced: u32,
    pub(super) group: GroupId,
    pub(super) position: LogPosition,
    pub(super) payload: &'a [u8],
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    Short { needed: u64, left: u64 },
    Length { bytes: u32 },
    Kind { byte: u8 },
    Reserved,
    Index { index: u64 },
    Checksum { expected: u32, found: u32 },
}

impl std::fmt::Display for Bad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Short { needed, left } => {
                write!(f, "the record needs {needed} bytes, {left} are left")
            }
            Self::Length { bytes } => {
                write!(f, "the payload has {bytes} bytes, the limit is {PAYLOAD_BYTES_MAX}")
            }
            Self::Kind { byte } => write!(f, "{byte} is no record kind"),
            Self::Reserved => f.write_str("reserved bytes are not zero"),
            Self::Index { index } => write!(f, "index {index} is above the highest, {INDEX_MAX}"),
            Self::Checksum { expected, found } => {
                write!(f, "the checksum is {found:08x}, the record says {expected:08x}")
            }
        }
    }
}

/// What stands at the start of a byte string.
///
/// [`decode`] says what it sees; `recovery` says what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen<'a> {
    Record { record: Record<'a>, bytes: usize },
    End,
    Bad(Bad),
}

/// Appends a record that will stand at `offset` of the file.
pub(super) fn encode(record: &Record<'_>, file: u32, offset: u64, out: &mut Vec<u8>) {
    let len = u32::try_from(record.payload.len()).ok();
    let len = len.filter(|_| record.payload.len() <= PAYLOAD_BYTES_MAX);
    let mut header = [0; RECORD_HEADER_BYTES];
    put_u32(&mut header, LEN, len.expect("the log checks payloads when they come in"));
    header[KIND] = record.kind as u8;
    header[DETAIL] = record.detail;
    put_u32(&mut header, SYNCED, record.synced);
    put_u64(&mut header, GROUP, record.group.0);
    put_u64(&mut header, INDEX, record.position.index);
    put_u64(&mut header, TERM, record.position.term);
    let crc = checksum(u64::from(file), offset, &header[CRC.end..]);
    let crc = crc32c::crc32c_append(crc, record.payload);
    put_u32(&mut header, CRC, crc);
    out.extend_from_slice(&header);
    out.extend_from_slice(record.payload);
}

/// Says what stands at the start of `bytes`, which begin at `offset` of the file.
pub(super) fn decode(bytes: &[u8], file: u32, offset: u64) -> Seen<'_> {
    if bytes.is_empty() {
        return Seen::End;
    }
    let left = to_u64(bytes.len());
    let short = |needed: usize| {
        let needed = to_u64(needed);
        Seen::Bad(Bad::Short { needed, left })
    };
    let Some(header) = bytes.get(..RECORD_HEADER_BYTES) else {
        return short(RECORD_HEADER_BYTES);
    };
    let Some(kind) = Kind::from_byte(header[KIND]) else {
        let byte = header[KIND];
        return Seen::Bad(Bad::Kind { byte });
    };
    if get_u16(header, RESERVED) != 0 {
        return Seen::Bad(Bad::Reserved);
    }
    let index = get_u64(header, INDEX);
    if index > INDEX_MAX {
        return Seen::Bad(Bad::Index { index });
    }
    let payload_bytes = get_u32(header, LEN);
    let len = usize::try_from(payload_bytes).unwrap_or(usize::MAX);
    if len > PAYLOAD_BYTES_MAX || (kind == Kind::State && len != STATE_BYTES) {
        return Seen::Bad(Bad::Length { bytes: payload_bytes });
    }
    let Some(record) = bytes.get(..RECORD_HEADER_BYTES + len) else {
        return short(RECORD_HEADER_BYTES + len);
    };
    let expected = get_u32(header, CRC);
    let found = checksum(u64::from(file), offset, &record[CRC.end..]);
    if expected != found {
        return Seen::Bad(Bad::Checksum { expected, found });
    }
    Seen::Record { record: fields(kind, record), bytes: record.len() }
}

/// The fields of a whole record.
fn fields(kind: Kind, record: &[u8]) -> Record<'_> {
    Record {
        kind,
        detail: record[DETAIL],
        synced: get_u32(record, SYNCED),
        group: GroupId(get_u64(record, GROUP)),
        position: LogPosition { index: get_u64(record, INDEX), term: get_u64(record, TERM) },
        payload: &record[RECORD_HEADER_BYTES..],
    }
}

/// [`decode`] with the bug that a wrong checksum is no reason.
#[cfg(feature = "seeded-bugs")]
pub(super) fn decode_unchecked(bytes: &[u8], file: u32, offset: u64) -> Seen<'_> {
    let seen = decode(bytes, file, offset);
    let (Seen::Bad(Bad::Checksum { .. }), Some(claim)) = (seen, claim(bytes)) else {
        return seen;
    };
    match (Kind::from_byte(bytes[KIND]), bytes.get(..claim.bytes)) {
        (Some(kind), Some(record)) => {
            Seen::Record { record: fields(kind, record), bytes: record.len() }
        }
        _ => seen,
    }
}

/// What the header at the start of a byte string claims, unchecked.
pub(super) struct Claim {
    pub(super) synced: u32,
    /// Bytes of the whole record.
    pub(super) bytes: usize,
}

/// Reads a header without checking the record: a cheap filter for the search
/// behind a bad record.
pub(super) fn claim(bytes: &[u8]) -> Option<Claim> {
    let header = bytes.get(..RECORD_HEADER_BYTES)?;
    Kind::from_byte(header[KIND])?;
    let payload_bytes = usize::try_from(get_u32(header, LEN)).ok()?;
    Some(Claim {
        synced: get_u32(header, SYNCED),
        bytes: RECORD_HEADER_BYTES.checked_add(payload_bytes)?,
    })
}

/// What a state record says of its group besides the purged position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) vote: Option<VoteState>,
    /// Whether the group holds no entries at this point of the log.
    pub(super) is_empty: bool,
}

const HAS_VOTE: u8 = 1;
const IS_EMPTY: u8 = 2;

/// The detail and the payload of a state record.
pub(super) fn encode_state(state: State) -> (u8, [u8; STATE_BYTES]) {
    let mut payload = [0; STATE_BYTES];
    let vote = state.vote.unwrap_or_default();
    put_u64(&mut payload, VOTE_TERM, vote.term);
    put_u64(&mut payload, VOTE, vote.vote);
    put_u64(&mut payload, COMMIT, vote.commit);
    let vote_bit = if state.vote.is_some() { HAS_VOTE } else { 0 };
    let empty_bit = if state.is_empty { IS_EMPTY } else { 0 };
    (vote_bit | empty_bit, payload)
}

/// The state in a state record that [`decode`] has checked.
pub(super) fn decode_state(record: &Record<'_>) -> State {
    let has_vote = record.detail & HAS_VOTE != 0;
    State {
        vote: has_vote.then(|| VoteState {
            term: get_u64(record.payload, VOTE_TERM),
            vote: get_u64(record.payload, VOTE),
            commit: get_u64(record.payload, COMMIT),
        }),
        is_empty: record.detail & IS_EMPTY != 0,
    }
}

/// What stands at the start of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeenHeader {
    Good,
    UnknownVersion { found: u32 },
    Bad,
}

/// The header of the file with that number.
pub(super) fn encode_file_header(file: u32) -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    header[FILE_MAGIC].copy_from_slice(&MAGIC);
    put_u32(&mut header, FILE_VERSION, VERSION);
    put_u64(&mut header, FILE_NUMBER, u64::from(file));
    let crc = checksum(u64::from(file), 0, &header[FILE_CRC.end..]);
    put_u32(&mut header, FILE_CRC, crc);
    header
}

/// Says what stands at the start of the file with that number. Magic, checksum
/// and version keep their places in every version.
pub(super) fn decode_file_header(bytes: &[u8], file: u32) -> SeenHeader {
    let Some(header) = bytes.get(..FILE_HEADER_BYTES) else {
        return SeenHeader::Bad;
    };
    let crc = checksum(u64::from(file), 0, &header[FILE_CRC.end..]);
    if header[FILE_MAGIC] != MAGIC || get_u32(header, FILE_CRC) != crc {
        return SeenHeader::Bad;
    }
    let found = get_u32(header, FILE_VERSION);
    if found != VERSION {
        return SeenHeader::UnknownVersion { found };
    }
    let number = get_u64(header, FILE_NUMBER);
    if number != u64::from(file) || get_u64(header, FILE_RESERVED) != 0 {
        return SeenHeader::Bad;
    }
    SeenHeader::Good
}

const FILE_NAME_END: &str = ".log";

/// The name of the file with that number.
pub(super) fn file_name(file: u32) -> String {
    format!("{file:010}{FILE_NAME_END}")
}

/// The number in a log file's name; none if it is another kind of file.
pub(super) fn parse_file_name(name: &str) -> Option<u32> {
    let number = name.strip_suffix(FILE_NAME_END)?.parse().ok()?;
    (file_name(number) == name).then_some(number)
}
