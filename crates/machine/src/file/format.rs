//! The file of measured figures, format version 1: text, for people as well.
//!
//! | line      | what                                                             |
//! |-----------|------------------------------------------------------------------|
//! | 1         | `vicinal machine VERSION crc32c CHECKSUM`: a decimal number and   |
//! |           | eight hexadecimal digits, the CRC-32C of everything behind the line |
//! | all after | [`Measured`] as indented JSON, and a line feed                   |
//!
//! A number is the shortest that reads as the same binary64.

use super::Measured;
use std::io;

/// The version that this code writes and reads.
pub(super) const VERSION: u32 = 1;

const MAGIC: &str = "vicinal machine";
const CHECKSUM: &str = "crc32c";

/// What a file holds.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    Measured(Box<Measured>),
    UnknownVersion(u32),
    Bad(&'static str),
}

pub(super) fn encode(measured: &Measured) -> io::Result<Vec<u8>> {
    let mut body = serde_json::to_vec_pretty(measured)?;
    body.push(b'\n');
    let checksum = crc32c::crc32c(&body);
    let mut file = format!("{MAGIC} {VERSION} {CHECKSUM} {checksum:08x}\n").into_bytes();
    file.append(&mut body);
    Ok(file)
}

pub(super) fn decode(file: &[u8]) -> Seen {
    let Some(end) = file.iter().position(|byte| *byte == b'\n') else {
        return Seen::Bad("its first line has no end");
    };
    let (head, body) = (&file[..end], &file[end + 1..]);
    let Some((version, checksum)) = std::str::from_utf8(head).ok().and_then(parse_head) else {
        return Seen::Bad("its first line is not that of measured figures");
    };
    if version != VERSION {
        return Seen::UnknownVersion(version);
    }
    if checksum != crc32c::crc32c(body) {
        return Seen::Bad("its checksum is wrong");
    }
    match serde_json::from_slice::<Measured>(body) {
        Ok(measured) if measured.profile.is_sound() => Seen::Measured(Box::new(measured)),
        Ok(_) => Seen::Bad("a figure of it is no time"),
        Err(_) => Seen::Bad("its figures are not those of this program"),
    }
}

/// Version and checksum.
fn parse_head(line: &str) -> Option<(u32, u32)> {
    let rest = line.strip_prefix(MAGIC)?.strip_prefix(' ')?;
    let (version, rest) = rest.split_once(' ')?;
    let checksum = rest.strip_prefix(CHECKSUM)?.strip_prefix(' ')?;
    let is_plain = checksum.len() == 8 && checksum.bytes().all(|byte| byte.is_ascii_hexdigit());
    let checksum = is_plain.then(|| u32::from_str_radix(checksum, 16).ok())??;
    Some((version.parse().ok()?, checksum))
}
