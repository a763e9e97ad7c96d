//! Filters over the rows of segments: compiled once a request, evaluated once a segment.

mod cache;

use cache::Part;
pub(crate) use cache::{Asked, FilterCache};

use crate::columns;
use crate::fetch::{Source, by_block, fetch_scalars};
use crate::request::RowFilter;
use crate::segment::{MemoryView, PlacedChunk, Rows, SealedView};
use crate::shard::{SegmentView, View};
use arrow_array::{Array as _, ArrayRef};
use std::sync::Arc;
use vicinal_filter::{ColumnRef, Columns, EvaluateError, Filter, Leaf};
use vicinal_types::{
    Bitmap, Cancel, Column, ColumnId, ColumnType, Error, Result, ScalarType, Schema,
};

/// Evaluating one test of one row, roughly: numbers take a nanosecond, strings more.
const NANOS_PER_TEST: u64 = 4;

/// Rows of a chunk from which what passes is kept: fewer are evaluated in microseconds.
const CACHED_CHUNK_ROWS: u32 = 2_048;

/// A filter that fits a schema, which also says what rows have that lack a column.
pub(crate) struct CompiledFilter {
    filter: Filter,
    /// The scalar columns that it reads.
    columns: Vec<Column>,
    /// What rows must pass besides.
    also: Option<Box<Self>>,
    /// Where what passes is kept, if it is.
    cached: Option<(Arc<FilterCache>, Asked)>,
}

/// The rows of a segment that may be found: not deleted, and passing the filter.
#[derive(Clone, Debug)]
pub(crate) struct Passing {
    /// None: all. May range over more rows than the segment has.
    pub(crate) rows: Option<Arc<Bitmap>>,
    /// How many they are.
    pub(crate) count: u64,
}

impl Passing {
    /// All rows that are not deleted.
    pub(crate) fn live(segment: &SegmentView) -> Self {
        let rows = match segment {
            SegmentView::Memory(memory) => &memory.live,
            SegmentView::Sealed(sealed) => &sealed.live,
        };
        Self { rows: rows.clone(), count: segment.live_count() }
    }
}

impl CompiledFilter {
    /// Checks a filter against a schema; `now_micros` is what `now()` is.
    ///
    /// # Errors
    /// `Invalid` with the place in the filter's text.
    pub(crate) fn new(schema: &Schema, filter: &RowFilter, now_micros: u64) -> Result<Self> {
        let now = i64::try_from(now_micros).unwrap_or(i64::MAX);
        let filter = Filter::new(&filter.expression, schema, &filter.parameters, now)?;
        let is_read = |column: &&Column| filter.columns().contains(&ColumnRef::Column(column.id));
        let columns = schema.columns().iter().filter(is_read).cloned().collect();
        Ok(Self { filter, columns, also: None, cached: None })
    }

    /// The same, which keeps what passes for those who ask the same.
    pub(crate) fn cached(self, cache: Arc<FilterCache>, asked: Asked) -> Self {
        Self { cached: Some((cache, asked)), ..self }
    }

    /// A filter that rows pass which pass both; what passes each is kept by itself.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { also: Some(Box::new(other)), ..self }
    }

    /// The columns that it reads.
    pub(crate) fn reads(&self) -> impl Iterator<Item = ColumnId> {
        let also = self.also.iter().flat_map(|also| &also.columns);
        self.columns.iter().chain(also).map(|column| column.id)
    }

    /// About how long evaluating it on all segments takes.
    pub(crate) fn estimated_nanos(&self, view: &View) -> u64 {
        let rows = |segment: &SegmentView| match segment {
            SegmentView::Memory(memory) => {
                let parts =
                    memory.chunks.iter().filter(|placed| !self.is_kept(part_of(memory, placed)));
                parts.map(|placed| u64::from(placed.chunk.len())).sum::<u64>()
            }
            SegmentView::Sealed(sealed) if self.is_kept(Part::Sealed(sealed.sealed.id)) => 0,
            SegmentView::Sealed(sealed) => u64::from(sealed.sealed.rows.len()),
        };
        let rows: u64 = view.segments.iter().map(rows).sum();
        let nanos = rows.saturating_mul(NANOS_PER_TEST * self.filter.columns().len() as u64);
        nanos.saturating_add(self.also.as_ref().map_or(0, |also| also.estimated_nanos(view)))
    }

    /// Whether what passes of a sealed segment is remembered.
    pub(crate) fn remembers(&self, sealed: &SealedView) -> bool {
        self.is_kept(Part::Sealed(sealed.sealed.id))
    }

    fn is_kept(&self, part: Part) -> bool {
        self.cached.as_ref().is_some_and(|(cache, asked)| cache.has(asked, part))
    }

    /// The live rows of a segment that pass.
    pub(crate) fn passing(&self, segment: &SegmentView) -> Result<Passing> {
        if self.filter.constant() == Some(true) && self.also.is_none() {
            return Ok(Passing::live(segment));
        }
        let rows = match segment {
            SegmentView::Memory(memory) => self.of_memory(memory),
            SegmentView::Sealed(sealed) => self.of_sealed(sealed),
        };
        let rows = rows.map_err(unfitting)?;
        let count = rows.count() as u64;
        if count == segment.live_count() {
            // As without a filter: who has no bitmap to look into is faster.
            return Ok(Passing::live(segment));
        }
        Ok(Passing { count, rows: Some(rows) })
    }

    /// Which of some live rows pass, by their places among these.
    pub(crate) fn passing_sources(&self, sources: &[Source<'_>]) -> Result<Bitmap> {
        if sources.is_empty() {
            return Ok(Bitmap::new(0));
        }
        self.of_sources(sources).map_err(unfitting)
    }

    /// How many live rows of a view pass.
    pub(crate) fn count(&self, view: &View, cancel: &Cancel) -> Result<u64> {
        let mut count = 0;
        for segment in &view.segments {
            cancel.check()?;
            count += self.passing(segment)?.count;
        }
        Ok(count)
    }

    /// The live rows of a sealed segment that pass.
    pub(crate) fn of_sealed(&self, sealed: &SealedView) -> Result<Arc<Bitmap>, EvaluateError> {
        let mut passing = self.own_of_sealed(sealed)?;
        if let Some(also) = &self.also {
            Arc::make_mut(&mut passing).intersect(&*also.of_sealed(sealed)?);
        }
        Ok(passing)
    }

    fn own_of_sealed(&self, sealed: &SealedView) -> Result<Arc<Bitmap>, EvaluateError> {
        let (rows, live) = (&sealed.sealed.rows, sealed.live.as_deref());
        let Some((cache, asked)) = &self.cached else {
            return Ok(Arc::new(self.evaluate(rows, live, Some(sealed))?));
        };
        let part = Part::Sealed(sealed.sealed.id);
        let mut passing = cache.get(asked, part, || self.evaluate(rows, None, Some(sealed)))?;
        if let Some(live) = live {
            Arc::make_mut(&mut passing).intersect(live);
        }
        Ok(passing)
    }

    /// The live rows of a segment in memory that pass.
    pub(crate) fn of_memory(&self, memory: &MemoryView) -> Result<Arc<Bitmap>, EvaluateError> {
        let mut all = Bitmap::new(memory.row_count as usize);
        for placed in &memory.chunks {
            let evaluate = || self.evaluate(&placed.chunk.rows, None, None);
            match &self.cached {
                Some((cache, asked)) if placed.chunk.len() >= CACHED_CHUNK_ROWS => {
                    let rows = cache.get(asked, part_of(memory, placed), evaluate)?;
                    all.insert_from(placed.first_row, &rows);
                }
                Some(_) | None => all.insert_from(placed.first_row, &evaluate()?),
            }
        }
        if let Some(live) = &memory.live {
            all.intersect(live);
        }
        if let Some(also) = &self.also {
            all.intersect(&*also.of_memory(memory)?);
        }
        Ok(Arc::new(all))
    }

    /// Which of some rows pass, by their places among these.
    pub(crate) fn of_sources(&self, sources: &[Source<'_>]) -> Result<Bitmap, EvaluateError> {
        let (blocks, places) = by_block(sources);
        let mut columns = Columns::new(sources.len());
        for &column in self.filter.columns() {
            let array = match column {
                ColumnRef::Id => {
                    let ids: Vec<_> = blocks.iter().map(|rows| &rows.ids).collect();
                    columns::interleave(&ids, &places)
                }
                ColumnRef::Column(id) => {
                    let (own, scalar) = self.column(id).ok_or(EvaluateError::Missing(column))?;
                    fetch_scalars(own, scalar, &blocks, &places)
                }
            };
            columns.insert(column, array)?;
        }
        let mut passing = self.filter.evaluate(&columns, None, &mut |_| None)?;
        if let Some(also) = &self.also {
            passing.intersect(&also.of_sources(sources)?);
        }
        Ok(passing)
    }

    /// The rows that pass; the indexes of a sealed segment answer what they can.
    fn evaluate(
        &self,
        rows: &Rows,
        within: Option<&Bitmap>,
        sealed: Option<&SealedView>,
    ) -> Result<Bitmap, EvaluateError> {
        let row_count = rows.ids.len();
        let mut columns = Columns::new(row_count);
        for &column in self.filter.columns() {
            let array = match column {
                ColumnRef::Id => rows.ids.clone(),
                ColumnRef::Column(id) => match rows.scalars(id) {
                    Some(array) => array.clone(),
                    // The rows are older than the column.
                    None => self.default(id, row_count).ok_or(EvaluateError::Missing(column))?,
                },
            };
            columns.insert(column, array)?;
        }
        let mut answer = |leaf: &Leaf| match leaf.column {
            ColumnRef::Id => None,
            ColumnRef::Column(id) => sealed?.scalar_index(id)?.answer(leaf),
        };
        self.filter.evaluate(&columns, within, &mut answer)
    }

    /// What rows have in a column that they lack.
    fn default(&self, id: ColumnId, row_count: usize) -> Option<ArrayRef> {
        let (column, scalar) = self.column(id)?;
        Some(columns::constant(scalar, column.default.as_ref(), row_count))
    }

    /// A scalar column that it reads.
    fn column(&self, id: ColumnId) -> Option<(&Column, ScalarType)> {
        let column = self.columns.iter().find(|column| column.id == id)?;
        match column.kind {
            ColumnType::Scalar { scalar, .. } => Some((column, scalar)),
            ColumnType::Vector(_) => None,
        }
    }
}

fn unfitting(error: EvaluateError) -> Error {
    Error::internal("the filter fits the schema and not the rows").caused_by(error)
}

fn part_of(memory: &MemoryView, placed: &PlacedChunk) -> Part {
    Part::Chunk(memory.id, placed.first_row, placed.chunk.len())
}
