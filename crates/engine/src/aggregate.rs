//! Figures of groups of rows: one pass over the rows that pass a filter, exact.

mod groups;
mod tally;

use crate::catalogue::LiveCollection;
use crate::columns;
use crate::engine::Engine;
use crate::filtering::Passing;
use crate::memory::GroupTexts;
use crate::request::RowFilter;
use crate::segment::Rows;
use crate::shard::SegmentView;
use arrow_array::ArrayRef;
use groups::Groups;
use std::borrow::Cow;
use tally::Tally;
use vicinal_filter::TimeUnit;
use vicinal_types::{
    Cancel, Column, ColumnType, Error, Result, ScalarType, ScalarValue, Schema, limits,
};

/// Rows that are looked at together, column by column: their groups and values stay
/// in the first cache.
const BATCH_ROWS: usize = 2_048;

/// Which groups, and what of each.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// Which rows count; none: all.
    pub filter: Option<RowFilter>,
    /// Which rows are one group.
    pub group_by: GroupBy,
    /// What is computed of each group, beside the number of its rows.
    pub figures: Vec<Figure>,
    /// Which groups come first.
    pub order: GroupOrder,
    /// Groups of the answer, at most.
    pub limit: usize,
    /// Whether an answer without the rows of damaged segments is welcome.
    pub partial_ok: bool,
}

/// Which rows are one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// All of them, even if there are none.
    Nothing,
    /// Those with the same value in a column, null included; of arrays those that have an
    /// item in common, so that a row is of as many groups as it has distinct items.
    Column(String),
    /// Those whose timestamps are in the same stretch of time, named by its begin; of
    /// arrays those that have an item in it.
    Time {
        /// The column.
        column: String,
        /// The stretch.
        unit: TimeUnit,
    },
}

/// A function of a column's values, nulls left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What is computed.
    pub function: Function,
    /// Of which column.
    pub column: String,
}

/// What is computed of the values of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// How many there are, of any column.
    Count,
    /// The least, of numbers, timestamps and strings.
    Min,
    /// The greatest, of the same.
    Max,
    /// The sum, of numbers; of integers exact, a float if 64 bits do not hold it.
    Sum,
    /// The mean, of numbers.
    Avg,
}

/// Which groups come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupOrder {
    /// Those with the most rows, then by key.
    #[default]
    Count,
    /// Those with the least key, null last.
    Key,
}

/// The groups that there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregated {
    /// Rows that pass the filter, those included that are of no group or of several.
    pub rows: u64,
    /// Groups, those included that the limit left out.
    pub group_count: u64,
    /// The first of them.
    pub groups: Vec<Group>,
}

/// One group of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What its rows have in common; none: null, or nothing was asked for.
    pub key: Option<ScalarValue>,
    /// Its rows.
    pub rows: u64,
    /// One for each figure; none where all values are null.
    pub values: Vec<Option<ScalarValue>>,
}

impl Function {
    /// Its name in messages and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
            Self::Avg => "avg",
        }
    }
}

impl Engine {
    /// Computes figures of groups of rows.
    ///
    /// # Errors
    /// `NotFound` for the collection, `Invalid` for filter, columns or limit, or if there
    /// are more groups than a node keeps, `Exhausted` if its share of the processors is
    /// used up, `Corrupt` if some of the collection is damaged.
    pub fn aggregate(
        &self,
        database: &str,
        collection: &str,
        asked: &Aggregate,
        cancel: &Cancel,
    ) -> Result<Aggregated> {
        let (limit, max) = (asked.limit, limits::GROUPS_MAX);
        if limit == 0 || limit > max {
            return Err(Error::invalid(format!("limit {limit} is not between 1 and {max}")));
        }
        let (figures, max) = (asked.figures.len(), limits::FIGURES_MAX);
        if figures > max {
            return Err(Error::invalid(format!(
                "{figures} figures of each group are more than the limit of {max}; ask twice"
            )));
        }
        let live = self.live(database, collection)?;
        self.quotas().admit_cpu(&live.info)?;
        self.quotas().charged(&live.info, 1, || self.aggregate_rows(&live, asked, cancel))
    }

    fn aggregate_rows(
        &self,
        live: &LiveCollection,
        asked: &Aggregate,
        cancel: &Cancel,
    ) -> Result<Aggregated> {
        let schema = &live.info.spec.schema;
        let texts = self.group_texts(limits::GROUP_BYTES_MAX);
        let mut pass = Pass::new(schema, asked, texts, cancel)?;
        let filter = self.compile(live, asked.filter.as_ref())?;
        let view = live.shard()?.view();
        if !asked.partial_ok {
            view.check_whole()?;
        }
        for segment in &view.segments {
            cancel.check()?;
            let passing = match &filter {
                None => Passing::live(segment),
                Some(filter) => filter.passing(segment)?,
            };
            match segment {
                SegmentView::Sealed(sealed) => pass.block(&sealed.sealed.rows, 0, &passing)?,
                SegmentView::Memory(memory) => {
                    for placed in &memory.chunks {
                        pass.block(&placed.chunk.rows, placed.first_row, &passing)?;
                    }
                }
            }
        }
        Ok(pass.finish(asked))
    }
}

/// The scalar column of that name.
///
/// # Errors
/// `Invalid` with the names that there are.
pub(crate) fn scalar_column<'a>(
    schema: &'a Schema,
    name: &str,
) -> Result<(&'a Column, ScalarType)> {
    let known = schema.column(name).map(|column| (column, column.kind));
    let Some((column, ColumnType::Scalar { scalar, .. })) = known else {
        let known: Vec<_> = schema.scalars().map(|(column, ..)| column.name.as_str()).collect();
        let known = known.join("`, `");
        return Err(Error::invalid(format!(
            "there is no scalar column `{name}`; there are `{known}`"
        )));
    };
    Ok((column, scalar))
}

/// The column that rows are grouped by.
///
/// # Errors
/// `Invalid` if there is no such column, or its values are no keys.
pub(crate) fn group_column<'a>(schema: &'a Schema, name: &str) -> Result<(&'a Column, ScalarType)> {
    let by = Scalar::named(schema, name)?;
    groups::check(by, None)?;
    Ok((by.column, by.scalar))
}

/// A pass over the rows.
struct Pass<'a> {
    groups: Groups<'a>,
    figures: Vec<(Scalar<'a>, Tally)>,
    /// All of them, and those of each group.
    total: u64,
    rows: Vec<u64>,
    /// Of a batch: its rows, and the group of each; a row of several groups is there as
    /// often.
    batch: Vec<u32>,
    group_of: Vec<u32>,
    texts: GroupTexts,
    cancel: &'a Cancel,
}

/// A scalar column that is read.
#[derive(Clone, Copy)]
struct Scalar<'a> {
    column: &'a Column,
    scalar: ScalarType,
}

impl<'a> Scalar<'a> {
    fn named(schema: &'a Schema, name: &str) -> Result<Self> {
        let (column, scalar) = scalar_column(schema, name)?;
        Ok(Self { column, scalar })
    }

    /// The values of some rows: an array, and where in it they are.
    fn values<'b>(&self, rows: &Rows, batch: &'b [u32]) -> (ArrayRef, Cow<'b, [u32]>) {
        match rows.scalars(self.column.id) {
            Some(array) => (array.clone(), Cow::Borrowed(batch)),
            // The rows are older than the column: one value stands for all of them.
            None => {
                let value = columns::constant(self.scalar, self.column.default.as_ref(), 1);
                (value, Cow::Owned(vec![0; batch.len()]))
            }
        }
    }
}

impl<'a> Pass<'a> {
    fn new(
        schema: &'a Schema,
        asked: &Aggregate,
        texts: GroupTexts,
        cancel: &'a Cancel,
    ) -> Result<Self> {
        let figure = |figure: &Figure| -> Result<(Scalar<'a>, Tally)> {
            let column = Scalar::named(schema, &figure.column)?;
            Ok((column, Tally::new(figure, column.scalar)?))
        };
        let figures = asked.figures.iter().map(figure).collect::<Result<_>>()?;
        let groups = Groups::new(schema, &asked.group_by)?;
        let (rows, batch, group_of) = (Vec::new(), Vec::new(), Vec::new());
        let mut pass = Self { groups, figures, total: 0, rows, batch, group_of, texts, cancel };
        pass.make_room();
        Ok(pass)
    }

    /// Takes the rows of a block that pass; its first is the segment's `first_row`.
    fn block(&mut self, rows: &Rows, first_row: u32, passing: &Passing) -> Result<()> {
        let passing = passing.rows.as_deref();
        let passes = |row: &u32| passing.is_none_or(|passing| passing.contains(first_row + *row));
        let mut left = (0..rows.len()).filter(passes);
        loop {
            self.cancel.check()?;
            self.batch.clear();
            self.batch.extend(left.by_ref().take(BATCH_ROWS));
            if self.batch.is_empty() {
                return Ok(());
            }
            self.take_batch(rows)?;
        }
    }

    fn take_batch(&mut self, rows: &Rows) -> Result<()> {
        self.total += self.batch.len() as u64;
        self.groups.assign(rows, &mut self.batch, &self.texts, &mut self.group_of)?;
        self.make_room();
        for &group in &self.group_of {
            self.rows[group as usize] += 1;
        }
        let mut bytes = self.groups.bytes();
        for (column, tally) in &mut self.figures {
            let (array, places) = column.values(rows, &self.batch);
            tally.add(column.scalar, &array, &places, &self.group_of);
            bytes += tally.bytes();
            self.texts.replace(bytes)?;
        }
        self.texts.replace(bytes)
    }

    /// Begins what is computed of groups that are new.
    fn make_room(&mut self) {
        let count = self.groups.len();
        self.rows.resize(count, 0);
        self.figures.iter_mut().for_each(|(_, tally)| tally.make_room(count));
    }

    fn finish(self, asked: &Aggregate) -> Aggregated {
        let keys = self.groups.into_keys();
        let mut order: Vec<usize> = (0..keys.len()).collect();
        let by_key = |a: usize, b: usize| groups::compare(keys[a].as_ref(), keys[b].as_ref());
        match asked.order {
            GroupOrder::Count => {
                order.sort_unstable_by(|&a, &b| self.rows[b].cmp(&self.rows[a]).then(by_key(a, b)))
            }
            GroupOrder::Key => order.sort_unstable_by(|&a, &b| by_key(a, b)),
        }
        order.truncate(asked.limit);
        let group = |&at: &usize| Group {
            key: keys[at].clone(),
            rows: self.rows[at],
            values: self.figures.iter().map(|(_, tally)| tally.value(at)).collect(),
        };
        Aggregated {
            rows: self.total,
            group_count: keys.len() as u64,
            groups: order.iter().map(group).collect(),
        }
    }
}
