//! Outcomes of recent writes, by request id: a retry gets the first one's.
//!
//! The file that keeps them over a restart has one section, kind 1, version 1:
//! for each outcome, oldest first, little-endian: Raft index (8), request id
//! (16), rows inserted (4), replaced (4), deleted (4), number of places of rows
//! that were left out (4), those places (4 each).

use crate::request::WriteOutcome;
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use vicinal_storage::{Disk, SectionFile, SectionWriter, SegmentError};
use vicinal_types::limits::REQUEST_IDS_KEPT;
use vicinal_types::{Error, RequestId, Result};

const REQUESTS: u32 = 1;
const SECTION_VERSION: u16 = 1;
const FIXED_BYTES: usize = 40;

/// The outcomes of the last [`REQUEST_IDS_KEPT`] log entries' writes.
#[derive(Debug, Default)]
pub(crate) struct RequestWindow {
    order: VecDeque<(u64, RequestId)>,
    outcomes: HashMap<RequestId, Arc<Outcome>>,
}

/// What a write did, without where: that is the index it is stored under.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    index: u64,
    inserted: u32,
    replaced: u32,
    deleted: u32,
    left_out: Vec<u32>,
}

impl RequestWindow {
    /// The outcome of an earlier write with the same id, and its index.
    pub(crate) fn get(&self, request: RequestId) -> Option<(u64, WriteOutcome)> {
        let outcome = self.outcomes.get(&request)?;
        let found = WriteOutcome {
            inserted: u64::from(outcome.inserted),
            replaced: u64::from(outcome.replaced),
            deleted: u64::from(outcome.deleted),
            left_out: outcome.left_out.clone(),
            positions: Vec::new(),
        };
        Some((outcome.index, found))
    }

    /// Remembers the outcome of the write at `index`, and forgets what is behind
    /// the window.
    pub(crate) fn insert(&mut self, index: u64, request: RequestId, outcome: &WriteOutcome) {
        // Only a delete by filter may be of more: a retry is told the largest number.
        let count = |rows: u64| u32::try_from(rows).unwrap_or(u32::MAX);
        let outcome = Outcome {
            index,
            inserted: count(outcome.inserted),
            replaced: count(outcome.replaced),
            deleted: count(outcome.deleted),
            left_out: outcome.left_out.clone(),
        };
        self.put(request, outcome);
        while let Some((oldest, request)) = self.order.front().copied()
            && oldest + REQUEST_IDS_KEPT <= index
        {
            self.order.pop_front();
            self.outcomes.remove(&request);
        }
    }

    fn put(&mut self, request: RequestId, outcome: Outcome) {
        self.order.push_back((outcome.index, request));
        self.outcomes.insert(request, Arc::new(outcome));
    }

    /// Outcomes of writes up to `index`, to be written to a file.
    pub(crate) fn up_to(&self, index: u64) -> Remembered {
        let within = self.order.iter().take_while(|(at, _)| *at <= index);
        let outcomes = within.filter_map(|(_, request)| {
            self.outcomes.get(request).map(|outcome| (*request, Arc::clone(outcome)))
        });
        Remembered(outcomes.collect())
    }

    /// Bytes that it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let lists: usize = self.outcomes.values().map(|outcome| outcome.left_out.len() * 4).sum();
        self.order.capacity() * 24
            + self.outcomes.capacity() * 25
            + self.outcomes.len() * 64
            + lists
    }

    /// Reads what [`Remembered::write`] wrote.
    ///
    /// # Errors
    /// `Corrupt` if the file is not what was written.
    pub(super) fn read(disk: &dyn Disk, path: &Path, file: u64) -> Result<Self> {
        let section = SectionFile::open(disk, path, file)?.section(REQUESTS)?;
        let mut window = Self::default();
        let mut rest = &section.bytes[..];
        while !rest.is_empty() {
            let Some((request, outcome, after)) = decode(rest) else {
                let path = path.display();
                return Err(Error::corrupt(format!(
                    "request ids in {path} are not as they were written"
                )));
            };
            window.put(request, outcome);
            rest = after;
        }
        Ok(window)
    }
}

/// Outcomes on their way to a file.
pub(crate) struct Remembered(Vec<(RequestId, Arc<Outcome>)>);

impl Remembered {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the outcomes and makes the file durable.
    pub(crate) fn write(
        &self,
        disk: &Arc<dyn Disk>,
        path: &Path,
        file: u64,
    ) -> Result<u64, SegmentError> {
        let mut writer = SectionWriter::create(Arc::clone(disk), path, file)?;
        writer.begin(REQUESTS, SECTION_VERSION)?;
        for (request, outcome) in &self.0 {
            let places = u32::try_from(outcome.left_out.len()).expect("at most a write's rows");
            writer.write(&outcome.index.to_le_bytes())?;
            writer.write(&request.0)?;
            for number in [outcome.inserted, outcome.replaced, outcome.deleted, places] {
                writer.write(&number.to_le_bytes())?;
            }
            for place in &outcome.left_out {
                writer.write(&place.to_le_bytes())?;
            }
        }
        writer.finish()
    }
}

fn decode(bytes: &[u8]) -> Option<(RequestId, Outcome, &[u8])> {
    let (fixed, rest) = bytes.split_first_chunk::<FIXED_BYTES>()?;
    let number = |at: usize| fixed[at..at + 4].try_into().map_or(0, u32::from_le_bytes);
    let (places, rest) = rest.split_at_checked(number(36) as usize * 4)?;
    let outcome = Outcome {
        index: u64::from_le_bytes(fixed[..8].try_into().ok()?),
        inserted: number(24),
        replaced: number(28),
        deleted: number(32),
        left_out: places.as_chunks().0.iter().map(|place| u32::from_le_bytes(*place)).collect(),
    };
    Some((RequestId(fixed[8..24].try_into().ok()?), outcome, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_storage::SimDisk;

    fn outcome(inserted: u64) -> WriteOutcome {
        WriteOutcome { inserted, left_out: vec![3, 9], ..WriteOutcome::default() }
    }

    #[test]
    fn outcomes_come_back_from_their_file_up_to_an_index() {
        let mut window = RequestWindow::default();
        for index in 1..=5u8 {
            window.insert(u64::from(index), RequestId([index; 16]), &outcome(u64::from(index)));
        }
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
        window.up_to(3).write(&disk, Path::new("a.req"), 7).expect("a disk that works");
        let read = RequestWindow::read(&*disk, Path::new("a.req"), 7).expect("what was written");
        assert_eq!(read.get(RequestId([3; 16])), Some((3, outcome(3))));
        assert_eq!(read.get(RequestId([4; 16])), None);
    }

    #[test]
    fn what_is_behind_the_window_is_forgotten() {
        let mut window = RequestWindow::default();
        window.insert(1, RequestId([1; 16]), &outcome(1));
        window.insert(REQUEST_IDS_KEPT, RequestId([2; 16]), &outcome(1));
        assert!(window.get(RequestId([1; 16])).is_some());
        window.insert(REQUEST_IDS_KEPT + 1, RequestId([3; 16]), &outcome(1));
        assert!(window.get(RequestId([1; 16])).is_none());
    }
}
