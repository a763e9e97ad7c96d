//! How a snapshot lies in a store.
//!
//! | key                          | what                                        |
//! |------------------------------|---------------------------------------------|
//! | `files/<ab>/<sha256 in hex>` | a file of a shard, under what it holds; `ab` are the first two digits |
//! | `snapshots/<id>`             | a manifest: which files make which collections |
//!
//! A manifest is a line `vicinal-snapshot <version> <sha256 of the rest>` and
//! JSON. Names in it are data: keys are made of ids and hashes alone, which are
//! checked when they are read, and of nothing else.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use vicinal_engine::SnapshotCollection;
use vicinal_types::{Error, Result};

/// The version of the manifest.
const VERSION: u32 = 1;

/// What a manifest begins with.
const MAGIC: &str = "vicinal-snapshot";

/// Bytes of a manifest: a million files.
pub(super) const MANIFEST_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The folder of files.
pub(super) const FILES: &str = "files";

/// The folder of manifests.
pub(super) const SNAPSHOTS: &str = "snapshots";

/// Characters of an id: `20261121T140000Z-1a2b3c4d`.
const ID_CHARS: usize = 25;

/// What a snapshot is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) id: SnapshotId,
    /// Microseconds since 1970-01-01 UTC.
    pub(crate) created_us: u64,
    pub(crate) label: String,
    /// The version of the server that made it.
    pub(crate) server_version: String,
    pub(crate) collections: Vec<ManifestCollection>,
}

/// A collection of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestCollection {
    pub(crate) collection: SnapshotCollection,
    pub(crate) files: Vec<ManifestFile>,
}

/// A file of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestFile {
    /// What the collection calls it.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: FileHash,
}

/// The name of a snapshot; never one that a user chose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct SnapshotId(String);

/// The SHA-256 of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct FileHash([u8; 32]);

impl SnapshotId {
    /// An id of a time and something random.
    pub(crate) fn new(unix_micros: u64, random: u32) -> Self {
        let seconds = unix_micros / 1_000_000;
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        Self(format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z-{random:08x}"))
    }

    /// Takes a text for an id, if it is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_right = |(at, byte): (usize, u8)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            16 => byte == b'-',
            17.. => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            _ => byte.is_ascii_digit(),
        };
        let is_id = text.len() == ID_CHARS && text.bytes().enumerate().all(is_right);
        is_id.then(|| Self(text.to_owned()))
    }

    /// Where its manifest lies.
    pub(super) fn key(&self) -> String {
        format!("{SNAPSHOTS}/{}", self.0)
    }
}

impl FileHash {
    /// That of some bytes.
    pub(super) fn finish(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }

    /// Takes 64 lower-case digits for a hash.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_right = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 64 || !text.bytes().all(is_right) {
            return None;
        }
        let mut hash = [0; 32];
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..][..2], 16).ok()?;
        }
        Some(Self(hash))
    }

    /// Where the file lies.
    pub(super) fn key(self) -> String {
        let hex = self.to_string();
        format!("{FILES}/{}/{hex}", &hex[..2])
    }
}

impl Manifest {
    /// The bytes that are kept.
    pub(super) fn encode(&self) -> Vec<u8> {
        let body = serde_json::to_string(self).expect("names, numbers and lists are always JSON");
        let hash = hash_of(body.as_bytes());
        format!("{MAGIC} {VERSION} {hash}\n{body}").into_bytes()
    }

    /// Reads the manifest of a snapshot.
    ///
    /// # Errors
    /// `Corrupt` for what is not as it was written, `Invalid` for that of a newer
    /// program.
    pub(super) fn decode(bytes: &[u8], id: &SnapshotId) -> Result<Self> {
        let damaged = |reason: String| {
            Error::corrupt(format!("the manifest of snapshot {id} is damaged: {reason}"))
        };
        let place = bytes.iter().position(|byte| *byte == b'\n');
        let (head, body) = bytes.split_at(place.unwrap_or(bytes.len()));
        let body = body.get(1..).unwrap_or_default();
        let words: Vec<&str> = str::from_utf8(head).unwrap_or_default().split(' ').collect();
        let [MAGIC, version, hash] = words[..] else {
            return Err(damaged(format!("it does not begin with `{MAGIC}`")));
        };
        if version != VERSION.to_string() {
            return Err(Error::invalid(format!(
                "snapshot {id} has version {version:?}, this program reads version {VERSION}; use the program that made it"
            )));
        }
        let found = hash_of(body);
        if FileHash::parse(hash) != Some(found) {
            return Err(damaged(format!("its SHA-256 is {found}, it says {hash}")));
        }
        let manifest: Self =
            serde_json::from_slice(body).map_err(|error| damaged(error.to_string()))?;
        if manifest.id != *id {
            return Err(damaged(format!("it is that of snapshot {}", manifest.id)));
        }
        Ok(manifest)
    }

    /// All files, those of several collections as often.
    pub(super) fn files(&self) -> impl Iterator<Item = &ManifestFile> {
        self.collections.iter().flat_map(|collection| &collection.files)
    }
}

impl ManifestCollection {
    /// Bytes of its files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}

fn hash_of(bytes: &[u8]) -> FileHash {
    FileHash(Sha256::digest(bytes).into())
}

/// Year, month and day of a day since 1970-01-01, by Hinnant's `civil_from_days`.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is no snapshot's id"))
    }
}

impl From<SnapshotId> for String {
    fn from(id: SnapshotId) -> Self {
        id.0
    }
}

impl TryFrom<String> for FileHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is no SHA-256"))
    }
}

impl From<FileHash> for String {
    fn from(hash: FileHash) -> Self {
        hash.to_string()
    }
}

#[cfg(test)]
mod tests;
