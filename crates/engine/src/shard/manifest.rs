//! The manifest of a shard: what is durable of it, as one JSON document.
//!
//! Everything written up to `applied` is in the files that it names; the log
//! holds the rest. A file that it does not name is a leftover.

use super::build::{CALIBRATION_K, CALIBRATION_SAMPLES};
use super::id_range::IdRange;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use vicinal_planner::Learned;
use vicinal_storage::{LogPosition, ManifestStore};
use vicinal_types::{Among, CollectionId, ColumnId, Error, RecallCurve, Result, SegmentId};

/// The version of the document.
const VERSION: u32 = 1;

/// The manifest in force and where the next is written.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) store: ManifestStore,
    pub(super) body: Body,
}

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Body {
    version: u32,
    pub(super) collection: CollectionId,
    applied_index: u64,
    applied_term: u64,
    pub(super) next_file: u64,
    pub(super) next_segment: SegmentId,
    /// Sealed segments, oldest first.
    pub(super) segments: Vec<SegmentEntry>,
    /// Outcomes of recent requests.
    pub(super) requests_file: Option<u64>,
}

/// A sealed segment and the files that belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SegmentEntry {
    pub(super) id: SegmentId,
    pub(super) file: u64,
    pub(super) rows: u32,
    /// None in manifests from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ids: Option<IdRange>,
    pub(super) tombstones: Option<TombstonesEntry>,
    pub(super) indexes: Vec<IndexEntry>,
    /// The file of its scalar columns' indexes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scalar_indexes: Option<u64>,
}

/// The tombstones of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TombstonesEntry {
    pub(super) file: u64,
    pub(super) count: u64,
}

/// An index over a column of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IndexEntry {
    pub(super) column: ColumnId,
    pub(super) file: u64,
    /// Effort and recall@10 in millionths, among all rows.
    calibration: Vec<(u32, u32)>,
    /// The same of other searches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    curves: Vec<CurveEntry>,
    /// What users' queries taught, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    learned: Option<LearnedEntry>,
}

/// What users' queries taught about an index, in thousandths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LearnedEntry {
    queries: u64,
    /// By point of the first curve.
    missed: Vec<u64>,
}

/// What was measured of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CurveEntry {
    k: u32,
    /// The percentage of the rows that counted, strewn or in clumps; all if neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strewn: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clumps: Option<u8>,
    queries: u32,
    /// Effort and recall in millionths.
    points: Vec<(u32, u32)>,
}

/// What a file of a shard holds; its name's ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Rows,
    Index,
    ScalarIndexes,
    Tombstones,
    Requests,
}

impl Body {
    /// That of a shard that was never written to.
    pub(super) fn empty(collection: CollectionId) -> Self {
        Self {
            version: VERSION,
            collection,
            applied_index: 0,
            applied_term: 0,
            next_file: 1,
            next_segment: SegmentId(1),
            segments: Vec::new(),
            requests_file: None,
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// `Corrupt` for what no program writes, `Invalid` for a newer version.
    pub(super) fn decode(bytes: &[u8], dir: &Path) -> Result<Self> {
        let body: Self = serde_json::from_slice(bytes).map_err(|error| {
            Error::corrupt(format!("the manifest in {} cannot be read", dir.display()))
                .caused_by(error)
        })?;
        if body.version != VERSION {
            let (dir, found) = (dir.display(), body.version);
            return Err(Error::invalid(format!(
                "the manifest in {dir} has version {found}, this program reads version {VERSION}; start the program that wrote it"
            )));
        }
        Ok(body)
    }

    /// The document.
    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and lists are always JSON")
    }

    /// Everything written up to here is in the named files.
    pub(super) fn applied(&self) -> LogPosition {
        LogPosition { index: self.applied_index, term: self.applied_term }
    }

    /// Moves the position up to which everything is in the named files.
    pub(super) fn set_applied(&mut self, position: LogPosition) {
        self.applied_index = position.index;
        self.applied_term = position.term;
    }

    /// A number for a new file, never given twice.
    pub(super) fn take_file(&mut self) -> u64 {
        let file = self.next_file;
        self.next_file += 1;
        file
    }

    /// The entry of a segment.
    pub(super) fn segment(&mut self, id: SegmentId) -> Option<&mut SegmentEntry> {
        self.segments.iter_mut().find(|entry| entry.id == id)
    }

    /// The names of all files that it names.
    pub(super) fn file_names(&self) -> Vec<String> {
        self.files().into_iter().map(|(name, _)| name).collect()
    }

    /// All files that it names, with their numbers.
    pub(super) fn files(&self) -> Vec<(String, u64)> {
        let of_segment = |entry: &SegmentEntry| {
            let rows = [(FileKind::Rows, entry.file)].into_iter();
            let tombstones = entry.tombstones.iter().map(|t| (FileKind::Tombstones, t.file));
            let indexes = entry.indexes.iter().map(|index| (FileKind::Index, index.file));
            let scalars = entry.scalar_indexes.iter().map(|file| (FileKind::ScalarIndexes, *file));
            rows.chain(tombstones).chain(indexes).chain(scalars).collect::<Vec<_>>()
        };
        let requests = self.requests_file.map(|file| (FileKind::Requests, file));
        let files = self.segments.iter().flat_map(of_segment).chain(requests);
        files.map(|(kind, file)| (file_name(kind, file), file)).collect()
    }

    /// Rows of its segments that no tombstone deletes.
    pub(super) fn live_count(&self) -> u64 {
        let of_segment = |entry: &SegmentEntry| {
            u64::from(entry.rows).saturating_sub(entry.tombstones.map_or(0, |t| t.count))
        };
        self.segments.iter().map(of_segment).sum()
    }

    /// Checks what no shard of ours ever says: numbers given twice or not yet.
    ///
    /// # Errors
    /// `Corrupt` naming the number.
    pub(super) fn check_numbers(&self) -> Result<()> {
        let files = self.files().into_iter().map(|(_, file)| ("file", file, self.next_file));
        let segments =
            self.segments.iter().map(|entry| ("segment", entry.id.0, self.next_segment.0));
        let mut seen = BTreeSet::new();
        for (what, number, next) in files.chain(segments) {
            if number >= next || !seen.insert((what, number)) {
                return Err(Error::corrupt(format!(
                    "{what} number {number} stands twice in a manifest, or is not below its next number {next}"
                )));
            }
        }
        Ok(())
    }
}

impl SegmentEntry {
    /// What is missing because of a problem with its files.
    pub(super) fn loss(&self, problem: &dyn fmt::Display) -> String {
        let (id, rows) = (self.id, self.rows);
        let deleted = self.tombstones.map_or(0, |tombstones| tombstones.count);
        let live = u64::from(rows).saturating_sub(deleted);
        let ids = self.ids.as_ref().map_or(String::new(), |ids| format!(", ids from {ids}"));
        format!("segment {id} with {rows} rows is missing ({live} of them live{ids}): {problem}")
    }
}

impl IndexEntry {
    /// An index with what was measured of it, first of all recall@10 among all rows.
    pub(super) fn new(column: ColumnId, file: u64, curves: &[RecallCurve]) -> Self {
        let mut curves = curves.iter().map(CurveEntry::new);
        let calibration = curves.next().map_or_else(Vec::new, |first| first.points);
        Self { column, file, calibration, curves: curves.collect(), learned: None }
    }

    /// What users' queries taught.
    pub(super) fn learned(&self) -> Learned {
        self.learned.as_ref().map_or_else(Learned::default, |learned| Learned {
            queries: learned.queries as f64 / 1e3,
            missed: learned.missed.iter().map(|missed| *missed as f64 / 1e3).collect(),
        })
    }

    /// Keeps what users' queries taught.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sums of some hundreds, not negative"
    )]
    pub(super) fn learn(&mut self, learned: &Learned) {
        let thousandths = |number: f64| (number * 1e3).round() as u64;
        let missed = learned.missed.iter().copied().map(thousandths).collect();
        let queries = thousandths(learned.queries);
        self.learned = (queries > 0).then_some(LearnedEntry { queries, missed });
    }

    /// What was measured of it, in that order.
    pub(super) fn curves(&self) -> Vec<RecallCurve> {
        if self.calibration.is_empty() {
            return Vec::new();
        }
        let first = RecallCurve {
            k: CALIBRATION_K,
            among: Among::All,
            queries: CALIBRATION_SAMPLES,
            live: 0,
            points: recalls(&self.calibration),
        };
        std::iter::once(first).chain(self.curves.iter().map(CurveEntry::curve)).collect()
    }
}

impl CurveEntry {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a recall is between 0 and 1"
    )]
    fn new(curve: &RecallCurve) -> Self {
        let millionths = |recall: f32| (f64::from(recall) * 1e6).round() as u32;
        let points = curve.points.iter().map(|(effort, recall)| (*effort, millionths(*recall)));
        let (strewn, clumps) = match curve.among {
            Among::All => (None, None),
            Among::Strewn(percent) => (Some(percent), None),
            Among::Clumps(percent) => (None, Some(percent)),
        };
        Self { k: curve.k, strewn, clumps, queries: curve.queries, points: points.collect() }
    }

    fn curve(&self) -> RecallCurve {
        let among = match (self.strewn, self.clumps) {
            (Some(percent), _) => Among::Strewn(percent),
            (None, Some(percent)) => Among::Clumps(percent),
            (None, None) => Among::All,
        };
        let (k, queries, points) = (self.k, self.queries, recalls(&self.points));
        RecallCurve { k, among, queries, live: 0, points }
    }
}

/// Recalls from millionths.
#[expect(clippy::cast_possible_truncation, reason = "a recall is between 0 and 1")]
fn recalls(points: &[(u32, u32)]) -> Vec<(u32, f32)> {
    let recall = |millionths: u32| (f64::from(millionths) / 1e6) as f32;
    points.iter().map(|(effort, millionths)| (*effort, recall(*millionths))).collect()
}

/// The name of a shard's file.
pub(super) fn file_name(kind: FileKind, file: u64) -> String {
    let ending = match kind {
        FileKind::Rows => "rows",
        FileKind::Index => "index",
        FileKind::ScalarIndexes => "scalars",
        FileKind::Tombstones => "tombstones",
        FileKind::Requests => "requests",
    };
    format!("{file:08}.{ending}")
}

/// The path of a shard's file.
pub(super) fn file_path(dir: &Path, kind: FileKind, file: u64) -> PathBuf {
    dir.join(file_name(kind, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = r#"{"version":1,"collection":3,"applied_index":7,"applied_term":2,"next_file":5,"next_segment":2,"segments":[{"id":1,"file":1,"rows":10,"tombstones":{"file":3,"count":2},"indexes":[{"column":1,"file":2,"calibration":[[10,950000]]}]}],"requests_file":4}"#;

    #[test]
    fn version_1_is_read_and_written_as_ever() {
        let body = Body::decode(GOLDEN.as_bytes(), Path::new("dir")).expect("version 1");
        assert_eq!(String::from_utf8(body.encode()).expect("JSON"), GOLDEN);
        assert_eq!(body.applied(), LogPosition { index: 7, term: 2 });
        let curves = body.segments[0].indexes[0].curves();
        assert_eq!((curves.len(), &curves[0].points[..]), (1, &[(10, 0.95)][..]));
        let names = ["00000001.rows", "00000003.tombstones", "00000002.index", "00000004.requests"];
        assert_eq!(body.file_names(), names);
    }

    #[test]
    fn what_was_measured_of_an_index_is_read_as_it_was_written() {
        let curve = |k, among, queries| RecallCurve {
            k,
            among,
            queries,
            live: 0,
            points: vec![(10, 0.9), (k, 0.999_5)],
        };
        let curves = [
            curve(10, Among::All, 256),
            curve(1_000, Among::All, 16),
            curve(10, Among::Strewn(90), 128),
            curve(10, Among::Clumps(12), 128),
        ];
        let mut entry = IndexEntry::new(ColumnId(1), 2, &curves);
        let learned = Learned { queries: 33.5, missed: vec![1.25, 0.0] };
        entry.learn(&learned);
        let text = serde_json::to_string(&entry).expect("plain data");
        assert!(
            text.contains(r#"{"k":10,"clumps":12,"queries":128,"points":[[10,900000],"#),
            "{text}"
        );
        let read: IndexEntry = serde_json::from_str(&text).expect("what was written");
        assert_eq!((read.curves(), read.learned()), (curves.to_vec(), learned));
        assert_eq!(IndexEntry::new(ColumnId(1), 2, &[]).curves(), []);
    }

    /// Manifests from before scalar indexes say nothing of them.
    #[test]
    fn a_file_of_scalar_indexes_is_named_if_there_is_one() {
        let with = GOLDEN.replace("950000]]}]}]", "950000]]}],\"scalar_indexes\":6}]");
        let body = Body::decode(with.as_bytes(), Path::new("dir")).expect("version 1");
        assert_eq!(String::from_utf8(body.encode()).expect("JSON"), with);
        assert!(body.file_names().contains(&"00000006.scalars".to_owned()));
    }

    /// Nor did older ones say which ids a segment has.
    #[test]
    fn what_is_missing_is_said_with_its_ids_where_they_are_known() {
        let body = Body::decode(GOLDEN.as_bytes(), Path::new("dir")).expect("version 1");
        let loss = body.segments[0].loss(&"gone");
        assert_eq!(loss, "segment 1 with 10 rows is missing (8 of them live): gone");
        let with = GOLDEN.replace("\"rows\":10,", "\"rows\":10,\"ids\":[-3,99],");
        let body = Body::decode(with.as_bytes(), Path::new("dir")).expect("version 1");
        assert_eq!(String::from_utf8(body.encode()).expect("JSON"), with);
        let loss = body.segments[0].loss(&"gone");
        assert!(loss.contains("(8 of them live, ids from -3 to 99): gone"), "{loss}");
    }

    #[test]
    fn another_version_is_refused_with_both_numbers() {
        let newer = GOLDEN.replace("\"version\":1", "\"version\":9");
        let error = Body::decode(newer.as_bytes(), Path::new("dir")).expect_err("a newer version");
        assert!(error.to_string().contains("version 9, this program reads version 1"), "{error}");
    }
}
