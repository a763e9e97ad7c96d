//! A sealed segment: a mapped file of rows that never changes, the indexes over
//! it, and which of its rows are deleted.

use super::lessons::Lessons;
use super::{Interim, Rows, ScalarIndexes, format};
use crate::columns::{IdRef, id_is};
use crate::hot::{HotIndex, HotMemory};
use arc_swap::{ArcSwapOption, Guard};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_buffer::ScalarBuffer;
use std::ops::{Deref, RangeInclusive};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use vicinal_exec::{Home, Pools};
use vicinal_index::Index;
use vicinal_planner::Learned;
use vicinal_scalar::ScalarIndex;
use vicinal_storage::{Disk, SectionFile};
use vicinal_types::{Bitmap, Clock, ColumnId, Error, RecallCurve, Result, Schema, SegmentId};

/// The rows of a sealed segment.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) id: SegmentId,
    pub(crate) rows: Rows,
    ids: IdIndex,
    /// The smallest and largest integer id: most lookups of new ids end here.
    id_range: Option<RangeInclusive<i64>>,
    pub(crate) file_bytes: u64,
    /// Of these, bytes of each column.
    column_bytes: Vec<(ColumnId, u64)>,
    home: OnceLock<Home>,
}

/// From ids to rows: hashes in order, and the row of each.
#[derive(Debug)]
pub(super) struct IdIndex {
    pub(super) hashes: ScalarBuffer<u64>,
    pub(super) rows: ScalarBuffer<u32>,
}

/// An index over a vector column of a sealed segment.
#[derive(Debug)]
pub(crate) struct BuiltIndex {
    pub(crate) column: ColumnId,
    /// As it lies in its file.
    mapped: Index,
    /// A copy in faster memory, while there is one.
    hot: ArcSwapOption<HotIndex>,
    /// What was measured of it when it was built.
    pub(crate) curves: Vec<RecallCurve>,
    lessons: Lessons,
    pub(crate) file_bytes: u64,
}

impl BuiltIndex {
    pub(crate) fn new(
        column: ColumnId,
        index: Index,
        (curves, learned): (Vec<RecallCurve>, Learned),
        file_bytes: u64,
    ) -> Self {
        let (hot, lessons) = (ArcSwapOption::empty(), Lessons::new(learned, curves.first()));
        Self { column, mapped: index, hot, curves, lessons, file_bytes }
    }

    /// The curve that users' queries are held against, if one was measured.
    pub(crate) fn measured(&self) -> Option<&RecallCurve> {
        self.curves.first().filter(|curve| !curve.points.is_empty())
    }

    /// What users' queries made of it, if there were any.
    pub(crate) fn learned_curve(&self) -> Guard<Option<Arc<RecallCurve>>> {
        self.lessons.curve()
    }

    /// Takes in the recall of a user's query at each point of the measured curve; all that
    /// was learned by now, and how many queries of it are stored.
    pub(crate) fn learn(&self, recalls: &[f32]) -> (Learned, f64) {
        match self.measured() {
            Some(measured) => self.lessons.add(recalls, measured),
            None => (self.learned(), 0.0),
        }
    }

    /// All that was learned of users' queries.
    pub(crate) fn learned(&self) -> Learned {
        self.lessons.learned()
    }

    /// Says that the manifest has what so many queries taught.
    pub(crate) fn learned_is_stored(&self, queries: f64) {
        self.lessons.is_stored(queries);
    }

    /// Recall@10 by effort, where all rows count.
    pub(crate) fn calibration(&self) -> &[(u32, f32)] {
        self.curves.first().map_or(&[], |curve| &curve.points)
    }

    /// The index, where it is searched fastest.
    pub(crate) fn index(&self) -> IndexRef<'_> {
        IndexRef { mapped: &self.mapped, hot: self.hot.load() }
    }

    /// Whether it should be copied to faster memory.
    pub(crate) fn wants_copy(&self, memory: &HotMemory) -> bool {
        self.hot.load().is_none() && memory.takes(&self.mapped)
    }

    /// What was done to search it faster, once it is done.
    pub(crate) fn hot_report(&self, sealed: &Sealed) -> Option<String> {
        let hot = self.hot.load();
        let ahead = hot.as_ref()?.index().ahead(&sealed.rows.vectors(self.column)?.vectors)?;
        Some(format!("copied to memory; asks for {ahead} ahead"))
    }

    /// Copies it to faster memory, if there is room.
    pub(crate) fn copy_to(&self, memory: &Arc<HotMemory>, sealed: &Sealed, clock: &dyn Clock) {
        // Without vectors the column was dropped, and nobody searches it.
        let part = sealed.rows.vectors(self.column);
        if let Some((part, mut copy)) = part.zip(memory.copy(&self.mapped)) {
            copy.measure_ahead(&part.vectors, clock);
            self.hot.store(Some(Arc::new(copy)));
        }
    }

    /// Bytes of the copy in faster memory, if there is one.
    pub(crate) fn copied_bytes(&self) -> u64 {
        self.hot.load().as_ref().map_or(0, |hot| hot.bytes())
    }

    /// Drops the copy in faster memory; searches that are in it finish first.
    pub(crate) fn give_back_copy(&self) {
        self.hot.store(None);
    }
}

/// An index while it is searched: the copy or, without one, the file.
pub(crate) struct IndexRef<'a> {
    mapped: &'a Index,
    hot: Guard<Option<Arc<HotIndex>>>,
}

impl Deref for IndexRef<'_> {
    type Target = Index;

    fn deref(&self) -> &Index {
        self.hot.as_ref().map_or(self.mapped, |hot| hot.index())
    }
}

/// What a search sees of a sealed segment.
#[derive(Clone, Debug)]
pub(crate) struct SealedView {
    pub(crate) sealed: Arc<Sealed>,
    /// At most one for each vector column; a column without is scanned.
    pub(crate) indexes: Vec<Arc<BuiltIndex>>,
    /// Those of scalar columns; a column without is read.
    pub(crate) scalar_indexes: Arc<ScalarIndexes>,
    /// The rows that are not deleted, if any is.
    pub(crate) live: Option<Arc<Bitmap>>,
    pub(crate) deleted_count: u32,
    /// The segment in memory, while its graphs stand in for indexes to be built.
    pub(crate) interim: Option<Interim>,
}

impl Sealed {
    /// Maps a segment file and checks all of it.
    ///
    /// # Errors
    /// `Corrupt` naming the file and what is wrong with it.
    pub(crate) fn open(
        disk: &dyn Disk,
        path: &Path,
        file: u64,
        id: SegmentId,
        schema: &Schema,
    ) -> Result<Self> {
        let file = SectionFile::open(disk, path, file).map_err(Error::from)?;
        let (rows, ids) = format::read_segment(&file, schema)?;
        let numbers = rows.ids.as_primitive_opt::<Int64Type>().map(|ids| ids.values());
        let id_range = numbers.and_then(|ids| Some(*ids.iter().min()?..=*ids.iter().max()?));
        let (file_bytes, column_bytes) = (file.bytes_len(), format::column_bytes(&file));
        let home = OnceLock::new();
        Ok(Self { id, rows, ids, id_range, file_bytes, column_bytes, home })
    }

    /// The NUMA node that it lies on and is searched by: the one that had the least to
    /// hold when this was first asked.
    pub(crate) fn node(&self, pools: &Pools) -> usize {
        if pools.node_count() == 1 {
            return 0;
        }
        self.home.get_or_init(|| pools.place(self.file_bytes)).node()
    }

    /// Bytes of columns that the schema has not any more.
    pub(crate) fn dropped_bytes(&self, schema: &Schema) -> u64 {
        let is_there = |id: ColumnId| schema.columns().iter().any(|column| column.id == id);
        let dropped = self.column_bytes.iter().filter(|(id, _)| !is_there(*id));
        dropped.map(|(_, bytes)| bytes).sum()
    }

    /// Bytes of the scalar column that has the most.
    pub(crate) fn largest_scalar_bytes(&self, schema: &Schema) -> u64 {
        let is_scalar = |id: ColumnId| schema.scalars().any(|(column, ..)| column.id == id);
        let scalars = self.column_bytes.iter().filter(|(id, _)| is_scalar(*id));
        scalars.map(|(_, bytes)| *bytes).max().unwrap_or(0)
    }

    /// The rows of an id, deleted ones included: an id has one row here, but
    /// several ids may share a hash.
    pub(crate) fn find(&self, hash: u64, id: IdRef<'_>) -> Option<u32> {
        if let (IdRef::Int(id), Some(range)) = (id, &self.id_range)
            && !range.contains(&id)
        {
            return None;
        }
        let first = self.first_at_or_after(hash);
        let same = self.ids.hashes[first..].iter().take_while(|found| **found == hash).count();
        let rows = &self.ids.rows[first..first + same];
        rows.iter().copied().find(|row| id_is(&self.rows.ids, *row as usize, id))
    }

    /// Hashes and rows from the first hash that is not below `hash`, ascending.
    pub(crate) fn by_hash_from(&self, hash: u64) -> impl Iterator<Item = (u64, u32)> + '_ {
        let first = self.first_at_or_after(hash);
        let hashes = self.ids.hashes[first..].iter().copied();
        hashes.zip(self.ids.rows[first..].iter().copied())
    }

    /// Hashes are spread evenly, so the place is guessed from the value, and a
    /// few steps that double lead to it; then binary search.
    fn first_at_or_after(&self, hash: u64) -> usize {
        let hashes = &self.ids.hashes[..];
        let len = hashes.len();
        let guess = (u128::from(hash) * len as u128) >> 64;
        let guess = usize::try_from(guess).expect("below the length");
        let (mut low, mut high, mut step) = (guess, guess, 8);
        while low > 0 && hashes[low] >= hash {
            low = low.saturating_sub(step);
            step *= 2;
        }
        step = 8;
        while high < len && hashes[high] < hash {
            high = (high + step).min(len);
            step *= 2;
        }
        low + hashes[low..high].partition_point(|found| *found < hash)
    }
}

impl SealedView {
    /// Whether the row was not deleted.
    pub(crate) fn is_live(&self, row: u32) -> bool {
        self.live.as_ref().is_none_or(|live| live.contains(row))
    }

    /// Rows that are not deleted.
    pub(crate) fn live_count(&self) -> u64 {
        u64::from(self.sealed.rows.len() - self.deleted_count)
    }

    /// Bytes of its rows' file and its indexes'.
    pub(crate) fn file_bytes(&self) -> u64 {
        let vectors = self.indexes.iter().map(|index| index.file_bytes).sum::<u64>();
        self.sealed.file_bytes + vectors + self.scalar_indexes.file_bytes
    }

    /// Deletes a live row.
    pub(crate) fn delete(&mut self, row: u32) {
        let rows = self.sealed.rows.len() as usize;
        let live = self.live.get_or_insert_with(|| Arc::new(Bitmap::full(rows)));
        let was_live = Arc::make_mut(live).remove(row);
        assert!(was_live, "row {row} of segment {} is deleted twice", self.sealed.id);
        self.deleted_count += 1;
        if let Some(interim) = &mut self.interim {
            interim.delete(row);
        }
    }

    /// Bytes of copies of its indexes in faster memory.
    pub(crate) fn copied_bytes(&self) -> u64 {
        self.indexes.iter().map(|index| index.copied_bytes()).sum()
    }

    /// The index of a scalar column, if it has one.
    pub(crate) fn scalar_index(&self, column: ColumnId) -> Option<&ScalarIndex> {
        self.scalar_indexes.index(column)
    }

    /// The index over a vector column, if it is built.
    pub(crate) fn index(&self, column: ColumnId) -> Option<&BuiltIndex> {
        self.indexes.iter().find(|index| index.column == column).map(Arc::as_ref)
    }
}
