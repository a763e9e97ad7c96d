//! Which rows of a part of a segment pass a filter, kept for the next search by it.
//!
//! What is kept does not know of deletions: rows never change, so it never goes out of
//! date, and deleted rows are taken out when it is used.

use super::RowFilter;
use moka::sync::Cache;
use std::sync::Arc;
use vicinal_types::{Bitmap, GroupId, SegmentId};

/// The rows that pass, by what was asked of which rows.
pub(crate) struct FilterCache(Cache<Key, Arc<Bitmap>>);

/// Rows of a shard that never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// All of a sealed segment.
    Sealed(SegmentId),
    /// So many rows from that one on of a segment in memory.
    Chunk(SegmentId, u32, u32),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    asked: Asked,
    part: Part,
}

/// What is asked of the rows of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    group: GroupId,
    /// Names mean other columns in another.
    schema_version: u32,
    /// The filter, and when it is asked if that matters.
    filter: Arc<str>,
}

impl Asked {
    /// What a filter asks at a time.
    pub(crate) fn new(
        group: GroupId,
        schema_version: u32,
        filter: &RowFilter,
        now_micros: u64,
    ) -> Self {
        let mut text = filter.key();
        if filter.expression.uses_now() {
            text.push_str(&format!("\nnow() = {now_micros}"));
        }
        Self { group, schema_version, filter: text.into() }
    }
}

impl FilterCache {
    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.0.invalidate_all();
    }

    /// A cache of at most so many bytes; of none it keeps nothing.
    pub(crate) fn new(bytes: u64) -> Self {
        let weigh = |key: &Key, rows: &Arc<Bitmap>| {
            let bytes = rows.len() / 8 + key.asked.filter.len() + size_of::<Key>();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(bytes).weigher(weigh).build())
    }

    /// Whether it has the rows that pass.
    pub(crate) fn has(&self, asked: &Asked, part: Part) -> bool {
        self.0.contains_key(&Key { asked: asked.clone(), part })
    }

    /// The rows that pass, as they are kept or by evaluating the filter. Who asks
    /// while another evaluates it waits for him.
    pub(crate) fn get<E: Clone + Send + Sync + 'static>(
        &self,
        asked: &Asked,
        part: Part,
        evaluate: impl FnOnce() -> Result<Bitmap, E>,
    ) -> Result<Arc<Bitmap>, E> {
        let key = Key { asked: asked.clone(), part };
        if let Some(rows) = self.0.get(&key) {
            metrics::counter!("vicinal_filter_cache_hits_total").increment(1);
            return Ok(rows);
        }
        metrics::counter!("vicinal_filter_cache_misses_total").increment(1);
        self.0.try_get_with(key, || evaluate().map(Arc::new)).map_err(|error| (*error).clone())
    }

    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.weighted_size()
    }
}
