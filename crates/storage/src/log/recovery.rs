//! What the files of a log mean after a stop of any kind.
//!
//! * Bad bytes in the last file are a torn write if nothing behind them proves
//!   that they were durable once: the file is cut there, the loss was never
//!   acknowledged, and the log opens. The proof would be a record behind them
//!   that was made after a later sync (its `synced` lies above the bad bytes).
//!   Records of the same unsynced write may well be intact behind a lost sector;
//!   they were not acknowledged either and go with it.
//! * Bad bytes anywhere else are damage: a file was synced before its successor
//!   was created. Nothing is changed and the log does not open.
//! * A last file without a good header was being created: it is removed. An
//!   only file must be number 1 for that, since older files are removed only
//!   after the newer one is durable.
//! * A group's first entry must follow from its purged position; otherwise a
//!   file is missing.

use super::LogError;
use super::files::Files;
use super::format::{self, Kind, Record, Seen, SeenHeader};
use super::group::{GroupLog, Slot};
use crate::disk::{Disk, read_file};
use crate::fields::to_u64;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vicinal_types::GroupId;

/// Bytes to checksum at most in the search behind bad bytes: user data can look
/// like the start of many records. About a fifth of a second.
const SEARCH_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// What opening a log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Files read.
    pub files: usize,
    /// Their bytes, without a torn tail.
    pub bytes: u64,
    /// Good records in them.
    pub records: u64,
    /// Groups known from them.
    pub groups: usize,
    /// A write that a crash cut short, and that was removed. Worth a warning.
    pub torn: Option<TornTail>,
}

/// The end of a log that a crash left half-written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The last log file.
    pub path: PathBuf,
    /// Where its good bytes end.
    pub offset: u64,
    /// Bytes removed behind that.
    pub bytes: u64,
    /// What was wrong with them.
    pub reason: String,
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, offset, bytes, reason } = self;
        let path = path.display();
        write!(f, "log file {path} ended in a torn write: {bytes} bytes from byte {offset} on ")?;
        write!(f, "were removed ({reason}); they were never acknowledged")
    }
}

/// The files and groups of a log, ready to go on.
pub(super) struct Recovered {
    pub(super) files: Files,
    pub(super) groups: BTreeMap<GroupId, GroupLog>,
    /// Bytes of the newest file that its records say were durable.
    pub(super) durable: u64,
    pub(super) report: RecoveryReport,
}

/// What is done with a torn end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TornEnd {
    Cut,
    /// Nothing on disk changes.
    Leave,
}

/// Reads all files, cuts a torn tail off if asked to, and refuses damage.
pub(super) fn recover(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    torn_end: TornEnd,
) -> Result<Recovered, LogError> {
    let names = disk.list(dir).map_err(LogError::io("list", dir))?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|n| format::parse_file_name(n)).collect();
    numbers.sort_unstable();
    let mut files = Files::new(Arc::clone(disk), dir);
    check_numbers(&numbers, &files)?;
    let mut replay = Replay {
        #[cfg(feature = "seeded-bugs")]
        is_unchecked: crate::Bug::TornTailAccepted.is_on(&**disk),
        ..Replay::default()
    };
    let mut report = RecoveryReport { files: 0, bytes: 0, records: 0, groups: 0, torn: None };
    for &number in &numbers {
        let path = files.path(number);
        let bytes = read_file(&**disk, &path).map_err(LogError::io("read", &path))?;
        let scan = replay.scan(&bytes, number, &path)?;
        let mut good = bytes.len();
        if let Some(reason) = scan.bad {
            let is_last = Some(&number) == numbers.last();
            judge(&bytes, number, &path, scan.good_bytes, &reason, is_last)?;
            let is_only_later = numbers.len() == 1 && number > 1;
            if is_only_later && scan.good_bytes < format::FILE_HEADER_BYTES {
                return Err(damaged(&path, 0, reason));
            }
            good = scan.good_bytes;
            if torn_end == TornEnd::Cut {
                cut(&**disk, dir, &path, good)?;
            }
            report.torn = Some(TornTail {
                path,
                offset: to_u64(good),
                bytes: to_u64(bytes.len() - good),
                reason,
            });
        }
        if good > 0 {
            files.adopt(number, to_u64(good))?;
            report.files += 1;
            report.bytes += to_u64(good);
        }
    }
    replay.check(&files)?;
    report.records = replay.records;
    report.groups = replay.groups.len();
    Ok(Recovered { files, groups: replay.groups, durable: replay.durable, report })
}

fn check_numbers(numbers: &[u32], files: &Files) -> Result<(), LogError> {
    for pair in numbers.windows(2) {
        let expected = pair[0] + 1;
        if pair[1] != expected {
            let reason = "the file is missing, though older and newer ones are there".to_owned();
            return Err(damaged(&files.path(expected), 0, reason));
        }
    }
    Ok(())
}

/// Decides whether bad bytes are damage; returning means a torn write.
fn judge(
    bytes: &[u8],
    number: u32,
    path: &Path,
    offset: usize,
    reason: &str,
    is_last: bool,
) -> Result<(), LogError> {
    if !is_last {
        let reason = format!("{reason}; the file was complete, a newer one follows it");
        return Err(damaged(path, offset, reason));
    }
    match proof_of_durability(bytes, number, offset) {
        Proof::None => Ok(()),
        Proof::Record { at, synced } => {
            let reason = format!(
                "{reason}; the record at byte {at} says that it was durable up to byte {synced}"
            );
            Err(damaged(path, offset, reason))
        }
        Proof::Unclear => {
            let reason = format!("{reason}; whether good records follow could not be found out");
            Err(damaged(path, offset, reason))
        }
    }
}

enum Proof {
    None,
    Record { at: usize, synced: u32 },
    Unclear,
}

/// Looks behind bad bytes for a record that was made when they were durable.
fn proof_of_durability(bytes: &[u8], number: u32, bad: usize) -> Proof {
    let mut budget = SEARCH_BYTES_MAX;
    for at in bad + 1..bytes.len() {
        let Some(rest) = bytes.get(at..) else { break };
        let Some(claim) = format::claim(rest) else {
            continue;
        };
        let synced = usize::try_from(claim.synced).unwrap_or(usize::MAX);
        if synced <= bad || synced > at || claim.bytes > rest.len() {
            continue;
        }
        let Some(left) = budget.checked_sub(claim.bytes) else {
            return Proof::Unclear;
        };
        budget = left;
        if let Seen::Record { record, .. } = format::decode(rest, number, to_u64(at)) {
            let synced = record.synced;
            return Proof::Record { at, synced };
        }
    }
    Proof::None
}

/// Removes a torn tail; a file that had no good header goes as a whole. The
/// cut is made durable with the first sync of the opened log, the removal here:
/// the file before would no longer be the last one if this one came back.
fn cut(disk: &dyn Disk, dir: &Path, path: &Path, good: usize) -> Result<(), LogError> {
    if good == 0 {
        disk.remove(path).map_err(LogError::io("remove", path))?;
        return disk.sync_dir(dir).map_err(LogError::io("sync", dir));
    }
    let mut file = disk.open(path).map_err(LogError::io("open", path))?;
    let cut = file.truncate(to_u64(good));
    cut.map_err(LogError::io("truncate", path))
}

fn damaged(path: &Path, offset: usize, reason: String) -> LogError {
    LogError::Damaged { path: path.to_owned(), offset: to_u64(offset), reason }
}

/// How far a file was good, and what came then if not its end.
struct Scan {
    good_bytes: usize,
    bad: Option<String>,
}

#[derive(Default)]
struct Replay {
    groups: BTreeMap<GroupId, GroupLog>,
    /// The largest `synced` in the file that was read last.
    durable: u64,
    records: u64,
    #[cfg(feature = "seeded-bugs")]
    is_unchecked: bool,
}

impl Replay {
    fn decode<'a>(&self, bytes: &'a [u8], number: u32, offset: usize) -> Seen<'a> {
        #[cfg(feature = "seeded-bugs")]
        if self.is_unchecked {
            return format::decode_unchecked(bytes, number, to_u64(offset));
        }
        format::decode(bytes, number, to_u64(offset))
    }

    fn scan(&mut self, bytes: &[u8], number: u32, path: &Path) -> Result<Scan, LogError> {
        match format::decode_file_header(bytes, number) {
            SeenHeader::Good => {}
            SeenHeader::UnknownVersion { found } => {
                return Err(LogError::UnknownVersion {
                    path: path.to_owned(),
                    found,
                    supported: format::VERSION,
                });
            }
            SeenHeader::Bad => {
                let bad = Some("the file header is not one of a log".to_owned());
                return Ok(Scan { good_bytes: 0, bad });
            }
        }
        self.durable = 0;
        let mut good_bytes = format::FILE_HEADER_BYTES;
        loop {
            let rest = bytes.get(good_bytes..).unwrap_or_default();
            let bad = match self.decode(rest, number, good_bytes) {
                Seen::Record { record, bytes } => {
                    let narrow = "rotation keeps files below 4 GiB";
                    let slot = Slot {
                        file: number,
                        offset: u32::try_from(good_bytes).expect(narrow),
                        bytes: u32::try_from(bytes).expect(narrow),
                    };
                    self.apply(&record, slot, path)?;
                    good_bytes += bytes;
                    continue;
                }
                Seen::End => None,
                Seen::Bad(bad) => Some(bad.to_string()),
            };
            return Ok(Scan { good_bytes, bad });
        }
    }

    fn apply(&mut self, record: &Record<'_>, slot: Slot, path: &Path) -> Result<(), LogError> {
        self.records += 1;
        self.durable = self.durable.max(u64::from(record.synced));
        if record.kind == Kind::Forget {
            self.groups.remove(&record.group);
            return Ok(());
        }
        let group = self.groups.entry(record.group).or_default();
        if record.kind == Kind::State {
            let state = format::decode_state(record);
            group.vote = state.vote;
            group.state_file = Some(slot.file);
            group.purge(record.position);
            if state.is_empty {
                group.clear();
            }
            return Ok(());
        }
        let position = record.position;
        let held_term = group.slot(position.index).and(group.term(position.index));
        let other_term = held_term.is_some_and(|term| term != position.term);
        let is_copy = record.kind == Kind::Moved;
        if position.index <= group.purged.index || (is_copy && other_term) {
            let reason = format!(
                "entry {} of group {} contradicts the records before it",
                position.index, record.group
            );
            return Err(LogError::Damaged {
                path: path.to_owned(),
                offset: u64::from(slot.offset),
                reason,
            });
        }
        if is_copy && held_term.is_some() {
            return Ok(()); // the original is still there
        }
        if (group.first()..=group.last() + 1).contains(&position.index) {
            group.put(position, slot);
        } else {
            // What comes between was in files that are gone; `check` decides
            // in the end whether they could go.
            group.restart_at(position, slot);
        }
        Ok(())
    }

    /// Every entry behind the purged position must be there.
    fn check(&self, files: &Files) -> Result<(), LogError> {
        for (id, group) in &self.groups {
            if group.first() != group.purged.index + 1 {
                let reason = format!(
                    "group {id} is purged up to entry {}, but its first entry is {}: \
                     an older file is missing",
                    group.purged.index,
                    group.first()
                );
                return Err(damaged(&files.path(files.oldest()), 0, reason));
            }
        }
        Ok(())
    }
}
