//! The identity file, format version 1.
//!
//! | offset | bytes | field                               |
//! |-------:|------:|-------------------------------------|
//! |      0 |     8 | magic `VICNL_ID`                    |
//! |      8 |     4 | crc32c of (0, 0), then what follows |
//! |     12 |     4 | format version                      |
//! |     16 |    16 | cluster id                          |
//! |     32 |     8 | node id                             |
//! |     40 |    16 | incarnation                         |
//! |     56 |     8 | reserved, zero                      |
//!
//! Integers are little-endian; the file ends there.

use super::Identity;
use crate::checksum::checksum;
use crate::fields::{get_u32, get_u64, put_u32, put_u64};
use std::ops::Range;
use vicinal_types::NodeId;

/// The version that this code writes and reads.
pub(super) const VERSION: u32 = 1;

const MAGIC_BYTES: [u8; 8] = *b"VICNL_ID";
const MAGIC: Range<usize> = 0..8;
const CRC: Range<usize> = MAGIC.end..MAGIC.end + 4;
const FORMAT: Range<usize> = CRC.end..CRC.end + 4;
const CLUSTER: Range<usize> = FORMAT.end..FORMAT.end + 16;
const NODE: Range<usize> = CLUSTER.end..CLUSTER.end + 8;
const INCARNATION: Range<usize> = NODE.end..NODE.end + 16;
const RESERVED: Range<usize> = INCARNATION.end..INCARNATION.end + 8;
const FILE_BYTES: usize = RESERVED.end;
const _: () = assert!(FILE_BYTES == 64, "the table above says so");

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Identity(Identity),
    UnknownVersion { found: u32 },
    Bad(&'static str),
}

pub(super) fn encode(identity: &Identity) -> [u8; FILE_BYTES] {
    let mut file = [0; FILE_BYTES];
    file[MAGIC].copy_from_slice(&MAGIC_BYTES);
    put_u32(&mut file, FORMAT, VERSION);
    file[CLUSTER].copy_from_slice(&identity.cluster_id);
    put_u64(&mut file, NODE, identity.node_id.0);
    file[INCARNATION].copy_from_slice(&identity.incarnation);
    let crc = file_checksum(&file);
    put_u32(&mut file, CRC, crc);
    file
}

pub(super) fn decode(file: &[u8]) -> Seen {
    if file.len() < FORMAT.end || file[MAGIC] != MAGIC_BYTES {
        return Seen::Bad("it does not start as an identity");
    }
    if get_u32(file, CRC) != file_checksum(file) {
        return Seen::Bad("its checksum is wrong");
    }
    let found = get_u32(file, FORMAT);
    if found != VERSION {
        return Seen::UnknownVersion { found };
    }
    if file.len() != FILE_BYTES || get_u64(file, RESERVED) != 0 {
        return Seen::Bad("its length or its reserved bytes are wrong");
    }
    let id = |field: Range<usize>| {
        let mut id = [0; 16];
        id.copy_from_slice(&file[field]);
        id
    };
    Seen::Identity(Identity {
        cluster_id: id(CLUSTER),
        node_id: NodeId(get_u64(file, NODE)),
        incarnation: id(INCARNATION),
    })
}

/// The file is the only one of its kind: no number to mix in.
fn file_checksum(file: &[u8]) -> u32 {
    checksum(0, 0, &file[CRC.end..])
}
