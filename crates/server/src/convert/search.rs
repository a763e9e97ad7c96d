//! Searches and what they found.

use super::filter::filter_in;
use super::rows::{columns_in, ids_out, rows_out};
use super::scalar_columns::value_out;
use super::vectors::{Parsed, Target, nearer_out};
use std::time::Duration;
use vicinal_api::v1;
use vicinal_api::v1::search_params::EffortKind;
use vicinal_engine::{
    Collection, GroupHits, HitGroup, QueryHits, Search, SearchAnswer, SearchReport,
};
use vicinal_types::{Effort, Error, Nearer, Result, VectorInput, limits};

/// A search, and whether its answer may come from the cache.
#[derive(Debug)]
pub(crate) struct SearchIn {
    pub search: Search,
    pub allow_cached: bool,
}

/// Parses a search for one query.
pub(crate) fn search_in(collection: &Collection, request: v1::SearchRequest) -> Result<SearchIn> {
    let target = target(collection, &request.vector_column)?;
    let vector = request.vector.ok_or_else(|| Error::invalid("there is no query; set `vector`"))?;
    let queries = target.parse_rows(vector, 1)?;
    let wanted = Wanted {
        k: request.k,
        columns: request.columns,
        params: request.params.unwrap_or_default(),
        partial_ok: request.options.is_some_and(|options| options.partial_ok),
        filter: request.filter,
        radius: request.radius,
        inner_radius: request.inner_radius,
        offset: request.offset,
        group_by: request.group_by,
        group_size: request.group_size,
        cursor: request.cursor,
    };
    wanted.parse(target, queries)
}

/// Parses a search for many queries.
pub(crate) fn batch_in(
    collection: &Collection,
    request: v1::SearchBatchRequest,
) -> Result<SearchIn> {
    let target = target(collection, &request.vector_column)?;
    let vectors =
        request.vectors.ok_or_else(|| Error::invalid("there are no queries; set `vectors`"))?;
    let Parsed { input, elements } = target.parse(vectors)?;
    let dim = target.kind.dim();
    let at = target.name();
    if !elements.is_multiple_of(dim) {
        return Err(Error::invalid(format!(
            "{elements} elements are not whole vectors of the {dim} dimensions that {at} takes"
        )));
    }
    let (queries, max) = (elements / dim, limits::QUERIES_MAX);
    if queries == 0 || queries > max {
        return Err(Error::invalid(format!(
            "{queries} queries are not the 1 to {max} of one batch"
        )));
    }
    let (hits, max) = (u64::from(request.k) * queries as u64, limits::HITS_MAX as u64);
    if hits > max {
        let k = request.k;
        return Err(Error::invalid(format!(
            "{queries} queries for {k} rows each are {hits} hits, more than the {max} of one batch; send fewer queries at once"
        )));
    }
    let wanted = Wanted {
        k: request.k,
        columns: request.columns,
        params: request.params.unwrap_or_default(),
        partial_ok: request.options.is_some_and(|options| options.partial_ok),
        filter: request.filter,
        radius: request.radius,
        inner_radius: request.inner_radius,
        offset: request.offset,
        group_by: request.group_by,
        group_size: request.group_size,
        cursor: None,
    };
    wanted.parse(target, input)
}

fn target<'a>(collection: &'a Collection, vector_column: &str) -> Result<Target<'a>> {
    let (column, kind) = collection.spec.schema.vector_column(vector_column)?;
    Ok(Target { collection: &collection.spec.name, column: &column.name, kind })
}

/// What requests for one and for many queries have in common.
struct Wanted {
    k: u32,
    columns: Vec<String>,
    params: v1::SearchParams,
    partial_ok: bool,
    filter: Option<v1::Filter>,
    radius: Option<f32>,
    inner_radius: Option<f32>,
    offset: u32,
    group_by: String,
    group_size: u32,
    cursor: Option<Vec<u8>>,
}

impl Wanted {
    fn parse(self, target: Target<'_>, queries: VectorInput) -> Result<SearchIn> {
        let (k, max) = (self.k as usize, limits::K_MAX);
        if k == 0 || k > max {
            return Err(Error::invalid(format!("k {k} is not between 1 and {max}")));
        }
        let effort = match self.params.effort_kind {
            Some(EffortKind::Effort(candidates)) => Effort::Candidates(candidates as usize),
            Some(EffortKind::MinRecall(recall)) => Effort::MinRecall(recall),
            Some(EffortKind::Exact(true)) => Effort::Exact,
            Some(EffortKind::Exact(false)) | None => Effort::DEFAULT,
        };
        let search = Search {
            vector_column: target.column.to_owned(),
            queries,
            k,
            offset: self.offset as usize,
            group_by: group_by_in(self.group_by, self.group_size)?,
            radius: self.radius,
            inner_radius: self.inner_radius,
            effort: effort.check()?,
            columns: columns_in(self.columns)?,
            partial_ok: self.partial_ok,
            filter: self.filter.map(filter_in).transpose()?,
            cursor: self.cursor,
        };
        // An answer without damaged segments is for those who asked for it, one of a
        // moment for that moment, and nobody asks for a page twice.
        let is_of_now = search.filter.as_ref().is_some_and(|filter| filter.expression.uses_now());
        let is_common = !self.partial_ok && !is_of_now && search.cursor.is_none();
        let allow_cached = self.params.allow_cached && is_common;
        Ok(SearchIn { search, allow_cached })
    }
}

/// What groups rows, if anything does; whether it can is the engine's to say.
fn group_by_in(column: String, size: u32) -> Result<Option<GroupHits>> {
    match (column.is_empty(), size) {
        (true, 0) => Ok(None),
        (true, size) => Err(Error::invalid(format!(
            "group_size {size} is set and group_by is not; name the column"
        ))),
        (false, size) => Ok(Some(GroupHits { column, size: size.max(1) as usize })),
    }
}

/// Turns the answer to one query into its message.
pub(crate) fn answer_out(
    collection: &Collection,
    mut answer: SearchAnswer,
    engine_time: Duration,
) -> Result<v1::SearchResponse> {
    let next = answer.results.first_mut().and_then(|hits| hits.next.take()).unwrap_or_default();
    let batch = batch_out(collection, answer, engine_time)?;
    let [hits] = <[v1::Hits; 1]>::try_from(batch.results)
        .map_err(|results| Error::internal(format!("one query got {} answers", results.len())))?;
    let v1::SearchBatchResponse { nearer, report, missing_rows, .. } = batch;
    Ok(v1::SearchResponse { hits: Some(hits), nearer, report, next, missing_rows })
}

/// Turns the answers to many queries into their message.
pub(crate) fn batch_out(
    collection: &Collection,
    answer: SearchAnswer,
    engine_time: Duration,
) -> Result<v1::SearchBatchResponse> {
    let SearchAnswer { results, nearer, report, missing } = answer;
    let nearer: Nearer = nearer;
    let results = results.into_iter().map(|hits| hits_out(collection, hits));
    Ok(v1::SearchBatchResponse {
        results: results.collect::<Result<_>>()?,
        nearer: nearer_out(nearer).into(),
        report: Some(report_out(report, engine_time)),
        missing_rows: missing,
    })
}

fn hits_out(collection: &Collection, hits: QueryHits) -> Result<v1::Hits> {
    let QueryHits { rows, scores, groups, next: _ } = hits;
    if rows.ids.len() != scores.len() {
        let (ids, scores) = (rows.ids.len(), scores.len());
        return Err(Error::internal(format!("{ids} hits came with {scores} scores")));
    }
    let groups = groups.into_iter().map(group_out).collect();
    if rows.vectors.is_empty() && rows.scalars.is_empty() {
        return Ok(v1::Hits { ids: Some(ids_out(rows.ids)), scores, columns: Vec::new(), groups });
    }
    let v1::RowBatch { ids, columns } = rows_out(collection, rows)?;
    Ok(v1::Hits { ids, scores, columns, groups })
}

fn group_out(group: HitGroup) -> v1::HitGroup {
    let HitGroup { key, rows } = group;
    v1::HitGroup { key: key.map(value_out), rows: u32::try_from(rows).unwrap_or(u32::MAX) }
}

fn report_out(report: SearchReport, engine_time: Duration) -> v1::SearchReport {
    v1::SearchReport {
        segments: report.segments,
        scanned_segments: report.scanned_segments,
        distances: report.distances,
        from_cache: false,
        engine_us: u64::try_from(engine_time.as_micros()).unwrap_or(u64::MAX),
        passing_rows: report.passing_rows,
    }
}
