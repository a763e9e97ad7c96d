//! Reading rows by id and walking over all of them.

mod ordered;

use crate::catalogue::LiveCollection;
use crate::columns::{IdRef, id_ref};
use crate::cursor::{self, decode_id, encode_id, id_of};
use crate::engine::Engine;
use crate::expiry;
use crate::fetch::{Wanted, fetch, source};
use crate::filtering::{Asked, CompiledFilter, Passing};
use crate::first::First;
use crate::request::{Count, Get, Page, RowFilter, Scroll};
use crate::shard::{SegmentView, View};
use crate::validate;
use ordered::{Order, Stops};
use std::sync::Arc;
use vicinal_types::{Cancel, Error, Ids, Result, RowBatch, RowId, limits};

/// A row in the order of a walk: by the hash of its id, then by the id. The
/// order is the same in every view, so rows that stay are met exactly once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stop {
    hash: u64,
    id: RowId,
    segment: usize,
    row: u32,
}

impl Engine {
    /// Reads rows by id, in the order of the ids; ids that have no row are left out.
    ///
    /// # Errors
    /// `NotFound` for the collection, `Invalid` for ids or columns.
    pub fn get(
        &self,
        database: &str,
        collection: &str,
        ids: &Ids,
        columns: &[String],
        cancel: &Cancel,
    ) -> Result<RowBatch> {
        let get = Get { ids: ids.clone(), columns: columns.to_vec(), partial_ok: false };
        self.get_rows(database, collection, &get, cancel)
    }

    /// [`get`](Self::get), perhaps without the rows of damaged segments, which
    /// [`missing_rows`](Self::missing_rows) names.
    ///
    /// # Errors
    /// As [`get`](Self::get), and `Corrupt` if some of the collection is damaged and the
    /// rest is not welcome.
    pub fn get_rows(
        &self,
        database: &str,
        collection: &str,
        Get { ids, columns, partial_ok }: &Get,
        cancel: &Cancel,
    ) -> Result<RowBatch> {
        let live = self.live(database, collection)?;
        let schema = &live.info.spec.schema;
        validate::id_list(schema, ids, limits::FETCH_ROWS_MAX, "a get")?;
        let wanted = Wanted::new(schema, columns)?;
        cancel.check()?;
        let (view, places) = live.shard()?.locate(ids);
        if !partial_ok {
            view.check_whole()?;
        }
        let sources = places.iter().map(|place| source(&view, place.segment, place.row));
        let Some(living) = self.compile(&live, None)? else {
            return Ok(fetch(schema, &wanted, sources));
        };
        let sources: Vec<_> = sources.collect();
        let passing = living.passing_sources(&sources)?;
        let living = (0..).zip(&sources).filter(|(at, _)| passing.contains(*at));
        Ok(fetch(schema, &wanted, living.map(|(_, source)| *source)))
    }

    /// Counts the rows of a collection.
    ///
    /// # Errors
    /// `NotFound` for the collection, `Corrupt` if some of it is damaged.
    pub fn count(&self, database: &str, collection: &str) -> Result<u64> {
        self.count_rows(database, collection, &Count::default(), &Cancel::never())
    }

    /// Counts the rows of a collection that pass a filter.
    ///
    /// # Errors
    /// `NotFound` for the collection, `Invalid` for the filter, `Exhausted` if its share of
    /// the processors is used up, `Corrupt` if some of it is damaged.
    pub fn count_where(
        &self,
        database: &str,
        collection: &str,
        filter: &RowFilter,
        cancel: &Cancel,
    ) -> Result<u64> {
        let count = Count { filter: Some(filter.clone()), partial_ok: false };
        self.count_rows(database, collection, &count, cancel)
    }

    /// Counts rows, perhaps without those of damaged segments, which
    /// [`missing_rows`](Self::missing_rows) names.
    ///
    /// # Errors
    /// As [`count_where`](Self::count_where).
    pub fn count_rows(
        &self,
        database: &str,
        collection: &str,
        Count { filter, partial_ok }: &Count,
        cancel: &Cancel,
    ) -> Result<u64> {
        let live = self.live(database, collection)?;
        self.quotas().admit_cpu(&live.info)?;
        let filter = self.compile(&live, filter.as_ref())?;
        let view = live.shard()?.view();
        if !partial_ok {
            view.check_whole()?;
        }
        self.quotas().charged(&live.info, 1, || {
            filter.map_or_else(|| Ok(view.live_count()), |filter| filter.count(&view, cancel))
        })
    }

    /// The rows of a collection that cannot be read: for each damaged segment its file, how
    /// many rows it has and from which id to which. They stay so until a restart.
    ///
    /// # Errors
    /// `NotFound` for the collection.
    pub fn missing_rows(&self, database: &str, collection: &str) -> Result<Vec<String>> {
        Ok(self.live(database, collection)?.shard()?.view().damaged.clone())
    }

    /// What a read may find, as it fits the collection now: what passes the filter, if
    /// there is one, and has not expired; none: everything.
    ///
    /// # Errors
    /// `Invalid` with the place in the filter's text.
    pub(crate) fn compile(
        &self,
        live: &LiveCollection,
        filter: Option<&RowFilter>,
    ) -> Result<Option<CompiledFilter>> {
        let (now, info) = (self.now_micros(), &live.info);
        let group = live.shard()?.group;
        let compile = |filter: &RowFilter| {
            let asked = Asked::new(group, info.schema_version, filter, now);
            let compiled = CompiledFilter::new(&info.spec.schema, filter, now)?;
            Ok::<_, Error>(compiled.cached(Arc::clone(self.filter_cache()), asked))
        };
        let filter = filter.map(compile).transpose()?;
        let living = expiry::living(&info.spec, now).as_ref().map(compile).transpose()?;
        Ok(match (filter, living) {
            (Some(filter), Some(living)) => Some(filter.and(living)),
            (filter, living) => filter.or(living),
        })
    }

    /// Reads the page of a walk over all rows that begins at `cursor`, empty for
    /// the first. Rows that are there from first to last page come exactly once,
    /// whatever is written meanwhile.
    ///
    /// # Errors
    /// `NotFound` for the collection, `Invalid` for limit, cursor or columns.
    pub fn scroll(
        &self,
        database: &str,
        collection: &str,
        cursor: &[u8],
        limit: usize,
        columns: &[String],
        cancel: &Cancel,
    ) -> Result<Page> {
        let (cursor, columns) = (cursor.to_vec(), columns.to_vec());
        let scroll = Scroll { cursor, limit, columns, ..Scroll::default() };
        self.scroll_where(database, collection, &scroll, cancel)
    }

    /// [`scroll`](Self::scroll) over the rows that pass a filter, perhaps in the order of
    /// a column: those that pass from first to last page, with the same value in that
    /// column, come exactly once.
    ///
    /// # Errors
    /// As [`scroll`](Self::scroll), and `Invalid` for the filter or the order.
    pub fn scroll_where(
        &self,
        database: &str,
        collection: &str,
        scroll: &Scroll,
        cancel: &Cancel,
    ) -> Result<Page> {
        let Scroll { cursor, limit, columns, filter, order_by, partial_ok } = scroll;
        let limit = *limit;
        let live = self.live(database, collection)?;
        let schema = &live.info.spec.schema;
        let wanted = Wanted::new(schema, columns)?;
        let filter = self.compile(&live, filter.as_ref())?;
        let max = limits::FETCH_ROWS_MAX;
        if limit == 0 || limit > max {
            return Err(Error::invalid(format!(
                "limit {limit} of a scroll is not between 1 and {max}"
            )));
        }
        let view = live.shard()?.view();
        if !partial_ok {
            view.check_whole()?;
        }
        let filter = filter.as_ref();
        let Stops { places, next } = match order_by {
            None => stops(&view, (cursor, filter), limit, cancel)?,
            Some(order_by) => {
                Order::new(schema, order_by)?.stops(&view, (cursor, filter), limit, cancel)?
            }
        };
        let sources = places.iter().map(|(segment, row)| source(&view, *segment, *row));
        Ok(Page { rows: fetch(schema, &wanted, sources), next })
    }
}

/// The page of a walk by hashes.
fn stops(
    view: &View,
    (cursor, filter): (&[u8], Option<&CompiledFilter>),
    limit: usize,
    cancel: &Cancel,
) -> Result<Stops> {
    let after = decode_cursor(cursor)?;
    // One row more than asked for tells whether there is another page.
    let mut stops = next_stops(view, (after.as_ref(), filter), limit + 1, cancel)?;
    let has_more = stops.len() > limit;
    stops.truncate(limit);
    let next = stops.last().filter(|_| has_more).map(encode_cursor);
    Ok(Stops { places: stops.iter().map(|stop| (stop.segment, stop.row)).collect(), next })
}

/// The first `limit` live rows behind `after` that pass, in the order of a walk.
fn next_stops(
    view: &View,
    (after, filter): (Option<&(u64, RowId)>, Option<&CompiledFilter>),
    limit: usize,
    cancel: &Cancel,
) -> Result<Vec<Stop>> {
    let mut first = FirstStops { stops: First::new(limit), after };
    for (segment, segment_view) in view.segments.iter().enumerate() {
        cancel.check()?;
        let passing = match filter {
            None => Passing::live(segment_view),
            Some(filter) => filter.passing(segment_view)?,
        };
        let passes = |row| passing.rows.as_ref().is_none_or(|rows| rows.contains(row));
        match segment_view {
            SegmentView::Sealed(sealed) => {
                let from = after.map_or(0, |(hash, _)| *hash);
                for (hash, row) in sealed.sealed.by_hash_from(from) {
                    if first.is_beyond(hash) {
                        break;
                    }
                    if passes(row) {
                        let id = id_ref(&sealed.sealed.rows.ids, row as usize);
                        first.offer(hash, id, segment, row);
                    }
                }
            }
            SegmentView::Memory(memory) => {
                for placed in &memory.chunks {
                    cancel.check()?;
                    for (row, &hash) in (placed.first_row..).zip(&placed.chunk.hashes) {
                        if !first.is_beyond(hash) && passes(row) {
                            let at = (row - placed.first_row) as usize;
                            first.offer(hash, id_ref(&placed.chunk.rows.ids, at), segment, row);
                        }
                    }
                }
            }
        }
    }
    Ok(first.stops.into_sorted())
}

/// The first stops behind one.
struct FirstStops<'a> {
    stops: First<Stop>,
    after: Option<&'a (u64, RowId)>,
}

impl FirstStops<'_> {
    /// Whether a row of that hash cannot be among them.
    fn is_beyond(&self, hash: u64) -> bool {
        self.stops.end().is_some_and(|last| hash > last.hash)
    }

    fn offer(&mut self, hash: u64, id: IdRef<'_>, segment: usize, row: u32) {
        if self.after.is_some_and(|(last, _)| hash < *last) {
            return;
        }
        let id = match id {
            IdRef::Int(id) => RowId::Int(id),
            IdRef::Str(id) => RowId::Str(id.to_owned()),
        };
        if self.after.is_some_and(|(last, last_id)| hash == *last && id <= *last_id) {
            return;
        }
        self.stops.offer(Stop { hash, id, segment, row });
    }
}

/// Version (1), hash (8, little-endian), then the id.
fn encode_cursor(stop: &Stop) -> Vec<u8> {
    let mut cursor = vec![cursor::BY_HASH];
    cursor.extend_from_slice(&stop.hash.to_le_bytes());
    encode_id(id_of(&stop.id), &mut cursor);
    cursor
}

fn decode_cursor(cursor: &[u8]) -> Result<Option<(u64, RowId)>> {
    let wrong = || {
        Error::invalid("the cursor is not one that a scroll returned; leave it empty to start over")
    };
    let Some((&cursor::BY_HASH, rest)) = cursor.split_first() else {
        return if cursor.is_empty() { Ok(None) } else { Err(wrong()) };
    };
    let (hash, rest) = rest.split_first_chunk().ok_or_else(wrong)?;
    Ok(Some((u64::from_le_bytes(*hash), decode_id(rest).ok_or_else(wrong)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_and_nonsense_is_refused() {
        for id in [RowId::Int(-5), RowId::Str("synset ü".into())] {
            let stop = Stop { hash: 42, id: id.clone(), segment: 0, row: 0 };
            assert_eq!(decode_cursor(&encode_cursor(&stop)).expect("a cursor"), Some((42, id)));
        }
        assert_eq!(decode_cursor(&[]).expect("the start"), None);
        for nonsense in [&[9][..], &[1, 2, 3], &[1, 0, 0, 0, 0, 0, 0, 0, 0, 7]] {
            assert!(decode_cursor(nonsense).is_err());
        }
    }
}
