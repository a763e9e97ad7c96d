//! Searches whose rows are grouped by a column: the nearest groups, and the nearest rows
//! of each.
//!
//! The nearest rows are asked for, then four times as many, until there are enough groups
//! and each is full. Since rows come by distance, no group that is not known yet is nearer
//! than one that is. Rows that cannot count any more are then left out by a filter on the
//! column: while there are too few groups those of full groups, else those of all but the
//! groups that are not full. Where a scan is planned anyhow, and after some rounds, all
//! rows that can still count are compared: that ends it, whatever the data.

mod gathered;
mod scan;

use super::partial::Missed;
use super::{Asked, Part, Prepared, Wish};
use crate::aggregate::group_column;
use crate::columns;
use crate::fetch::Source;
use crate::filtering::{CompiledFilter, Passing};
use crate::memory::GroupTexts;
use crate::request::{QueryHits, RowFilter, Search};
use crate::scratches::Candidate;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array as _, ArrayRef};
use gathered::Gathered;
use std::sync::Arc;
use vicinal_filter::{Expression, Node, Operator, Parameters, Value};
use vicinal_index::KeyRange;
use vicinal_planner::SearchPlan;
use vicinal_types::{
    Column, Error, Result, ScalarType, ScalarValue, Schema, Stopped, VectorInput, limits,
};

/// Rows that are asked for at first, at least.
const FIRST_MIN: usize = 32;

/// How many times as many are asked for in the next round.
const GROWTH: usize = 4;

/// The round that leaves out rows of full groups, from 0: those before, which walk without
/// a filter, are cheaper.
const NARROWING_ROUND: usize = 2;

/// Rounds until all rows that can still count are compared.
const ROUNDS_MAX: usize = 6;

/// The name of the groups in the filter that leaves out rows.
const PARAMETER: &str = "groups";

/// How the rows of an answer are grouped.
pub(super) struct Grouping {
    column: Column,
    scalar: ScalarType,
    /// The one value of rows that are older than the column.
    default: ArrayRef,
    /// Groups wanted, those included that the answer begins behind.
    wanted: usize,
    offset: usize,
    /// Rows of a group, at most.
    size: usize,
    /// Keys of the answer, of all queries.
    texts: GroupTexts,
}

/// What the rows of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum GroupKey<'a> {
    Null,
    Bool(bool),
    /// An integer, or a timestamp.
    Int(i64),
    Text(&'a str),
}

/// Which rows can still count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Among {
    /// Those of some groups.
    Only,
    /// Those of all other groups.
    AllBut,
}

impl Grouping {
    /// # Errors
    /// `Invalid` for a column whose values are no keys, or more rows than an answer has.
    pub(super) fn new(
        schema: &Schema,
        search: &Search,
        texts: impl FnOnce() -> GroupTexts,
    ) -> Result<Option<Self>> {
        let Some(asked) = &search.group_by else { return Ok(None) };
        let (column, scalar) = group_column(schema, &asked.column)?;
        let (size, max) = (asked.size, limits::K_MAX);
        if size == 0 || size > max {
            return Err(Error::invalid(format!("group_size {size} is not between 1 and {max}")));
        }
        let wanted = search.k.saturating_add(search.offset);
        if wanted > max / size {
            let rows = wanted.saturating_mul(size);
            return Err(Error::invalid(format!(
                "{wanted} groups, offset included, of group_size {size} are {rows} rows, the limit is {max}; ask for fewer groups or rows of each"
            )));
        }
        Ok(Some(Self {
            default: columns::constant(scalar, column.default.as_ref(), 1),
            column: column.clone(),
            scalar,
            wanted,
            offset: search.offset,
            size,
            texts: texts(),
        }))
    }

    /// How many rows are asked for at first.
    pub(super) fn first_rows(&self) -> usize {
        (2 * self.wanted * self.size).clamp(FIRST_MIN, limits::K_MAX)
    }

    /// The group of a row.
    fn key<'a>(&'a self, (rows, row): Source<'a>) -> GroupKey<'a> {
        let (array, row) = match rows.scalars(self.column.id) {
            Some(array) => (array, row as usize),
            None => (&self.default, 0),
        };
        if array.is_null(row) {
            return GroupKey::Null;
        }
        match self.scalar {
            ScalarType::Bool => GroupKey::Bool(array.as_boolean().value(row)),
            ScalarType::Int8 => GroupKey::Int(array.as_primitive::<Int8Type>().value(row).into()),
            ScalarType::Int16 => GroupKey::Int(array.as_primitive::<Int16Type>().value(row).into()),
            ScalarType::Int32 => GroupKey::Int(array.as_primitive::<Int32Type>().value(row).into()),
            ScalarType::Int64 | ScalarType::Timestamp => {
                GroupKey::Int(array.as_primitive::<Int64Type>().value(row))
            }
            ScalarType::String => GroupKey::Text(array.as_string::<i32>().value(row)),
            ScalarType::Float32 | ScalarType::Float64 | ScalarType::Json | ScalarType::Array(_) => {
                unreachable!("{} values are no keys, which was checked", self.scalar)
            }
        }
    }

    /// The rows of some groups, or of all others.
    fn filter(&self, groups: &[GroupKey<'_>], among: Among) -> Result<RowFilter> {
        let column = || Node::column(&self.column.name);
        let values: Vec<_> = groups.iter().filter_map(|key| self.constant(*key)).collect();
        let has_null = values.len() < groups.len();
        let is_null = Node::call(Operator::IsNull, vec![column()]);
        let not = |node| Node::call(Operator::Not, vec![node]);
        let or = |a, b| Node::call(Operator::Or, vec![a, b]);
        let root = if values.is_empty() {
            match among {
                Among::Only => is_null,
                Among::AllBut => not(is_null),
            }
        } else {
            let is_in = Node::call(Operator::In, vec![column(), Node::parameter(PARAMETER)]);
            // Where the column is null, neither `in` nor `not in` is true.
            match (among, has_null) {
                (Among::Only, true) => or(is_in, is_null),
                (Among::Only, false) => is_in,
                (Among::AllBut, true) => not(is_in),
                (Among::AllBut, false) => or(not(is_in), is_null),
            }
        };
        let mut parameters = Parameters::new();
        if !values.is_empty() {
            parameters.insert(PARAMETER.to_owned(), Value::List(values));
        }
        let expression = Expression::new(root).map_err(|error| {
            Error::internal("the groups of a search make no filter").caused_by(error)
        })?;
        Ok(RowFilter { expression, parameters })
    }

    fn constant(&self, key: GroupKey<'_>) -> Option<Value> {
        match key {
            GroupKey::Null => None,
            GroupKey::Bool(value) => Some(Value::Bool(value)),
            GroupKey::Int(value) if self.scalar == ScalarType::Timestamp => {
                Some(Value::Timestamp(value))
            }
            GroupKey::Int(value) => Some(Value::Int(value)),
            GroupKey::Text(text) => Some(Value::Text(text.to_owned())),
        }
    }
}

impl GroupKey<'_> {
    /// Bytes of its text.
    fn text_bytes(self) -> usize {
        match self {
            GroupKey::Null | GroupKey::Bool(_) | GroupKey::Int(_) => 0,
            GroupKey::Text(text) => text.len(),
        }
    }

    /// The value; none for null.
    fn value(self) -> Option<ScalarValue> {
        match self {
            GroupKey::Null => None,
            GroupKey::Bool(value) => Some(ScalarValue::Bool(value)),
            GroupKey::Int(value) => Some(ScalarValue::Int(value)),
            GroupKey::Text(text) => Some(ScalarValue::Text(text.to_owned())),
        }
    }
}

impl Prepared {
    /// The nearest rows of the nearest groups, and the distances computed.
    pub(super) fn run_grouped(
        &self,
        query: &[u8],
        grouping: &Grouping,
        wish: &Wish<'_>,
        spread: bool,
    ) -> Result<(QueryHits, u64)> {
        let mut gathered = Gathered::new(grouping, &self.view);
        let distances = self.gather(query, &mut gathered, spread)?;
        let (candidates, groups) = gathered.finish()?;
        let hits = self.hits(wish, &candidates);
        Ok((QueryHits { groups, ..hits }, distances))
    }

    fn gather(&self, query: &[u8], gathered: &mut Gathered<'_>, spread: bool) -> Result<u64> {
        let mut distances = 0;
        let mut next: Option<Self> = None;
        // Whether that has no rows but those of groups that are not full.
        let mut is_narrow = false;
        for round in 0..ROUNDS_MAX {
            let search = next.as_ref().unwrap_or(self);
            if search.is_scan() {
                break;
            }
            let (found, computed) = search.nearest_of(query, spread)?;
            distances += computed;
            let came = found.len();
            gathered.add(&found);
            let is_all = came as u64 >= search.passing();
            let is_all_within = self.keys != KeyRange::ALL && came < search.k;
            if is_all || is_all_within || gathered.is_done() {
                return Ok(distances);
            }
            if came < search.k {
                break;
            }
            let k = search.k.saturating_mul(GROWTH).min(limits::K_MAX);
            is_narrow = gathered.is_closed();
            let narrows = is_narrow || round + 1 >= NARROWING_ROUND;
            next = Some(if narrows { self.narrowed(gathered, k)? } else { self.widened(k) });
        }
        if !gathered.is_closed() {
            let rest = next.as_ref().unwrap_or(self);
            let (found, computed) = rest.scan_for_groups(query, gathered, spread)?;
            distances += computed;
            gathered.add(&found);
            gathered.close();
        }
        if !gathered.is_done() {
            let rest = match next {
                Some(rest) if is_narrow => rest,
                Some(_) | None => self.narrowed(gathered, self.k)?,
            };
            let (found, computed) = rest.scan_for_rows(query, gathered, spread)?;
            distances += computed;
            gathered.add(&found);
        }
        Ok(distances)
    }

    /// Whether no index would be searched.
    fn is_scan(&self) -> bool {
        self.parts.iter().all(|part| match part.plan {
            SearchPlan::Scan | SearchPlan::Skip => true,
            SearchPlan::Index { .. } => false,
        })
    }

    /// How many rows can be found.
    fn passing(&self) -> u64 {
        self.parts.iter().map(|part| part.passing.count).sum()
    }

    fn nearest_of(&self, query: &[u8], spread: bool) -> Result<(Vec<Candidate>, u64), Stopped> {
        if spread {
            return self.nearest_spread(query);
        }
        self.scratches.with(|worker| {
            let distances = self.nearest(query, worker)?;
            Ok((worker.candidates.clone(), distances))
        })
    }

    /// The same search for more rows.
    fn widened(&self, k: usize) -> Self {
        let parts = self.parts.iter().map(|part| part.passing.clone()).collect();
        self.round(k, self.filter.clone(), parts)
    }

    /// The same search, among the rows that can still count.
    fn narrowed(&self, gathered: &mut Gathered<'_>, k: usize) -> Result<Self> {
        let Some(filter) = gathered.filter()? else { return Ok(self.widened(k)) };
        let filter = CompiledFilter::new(&self.live.info.spec.schema, &filter, 0)?;
        let mut parts = Vec::with_capacity(self.parts.len());
        for (segment, part) in self.view.segments.iter().zip(&self.parts) {
            self.cancel.check()?;
            let mut rows = filter.passing(segment)?;
            if let (Some(all), Some(_)) = (&part.passing.rows, &self.filter) {
                rows = match rows.rows {
                    // All that live: there may be places for more in that bitmap.
                    _ if rows.count == segment.live_count() => part.passing.clone(),
                    None => part.passing.clone(),
                    Some(mut both) => {
                        Arc::make_mut(&mut both).intersect(all);
                        Passing { count: both.count() as u64, rows: Some(both) }
                    }
                };
            }
            parts.push(rows);
        }
        Ok(self.round(k, Some(Arc::new(filter)), parts))
    }

    /// The same search for `k` rows among others.
    fn round(&self, k: usize, filter: Option<Arc<CompiledFilter>>, rows: Vec<Passing>) -> Self {
        let queries = VectorInput::Floats(Vec::new());
        let asked = Asked {
            live: Arc::clone(&self.live),
            view: Arc::clone(&self.view),
            search: Search { effort: self.search.effort, ..Search::new(queries, k) },
            filter,
            grouping: None,
            paging: None,
            column: self.column,
            kind: self.kind,
            cost: self.cost,
            k,
            keys: self.keys,
            queries: self.queries.clone(),
            scratches: Arc::clone(&self.scratches),
            pools: Arc::clone(&self.pools),
            quotas: Arc::clone(&self.quotas),
            together_max: self.together_max,
            cancel: self.cancel.clone(),
            missed: Missed::default(),
        };
        let part = |(segment, passing): (_, Passing)| {
            Part::new(&asked.candidates(segment, passing.count).best(), passing)
        };
        let parts = self.view.segments.iter().zip(rows).map(part).collect();
        Self { asked, parts, estimated_nanos: 0 }
    }
}
