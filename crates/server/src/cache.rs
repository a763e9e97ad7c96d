//! Answers of searches, kept until what they were computed from changes.
//!
//! The key holds the number of the snapshot that the search saw, so a write
//! needs to tell nobody: the next search has another key, and old answers fall
//! out by age and weight.

use moka::sync::Cache;
use prost::Message as _;
use vicinal_api::v1;
use vicinal_engine::{Collection, RowFilter, Search};
use vicinal_types::{CollectionId, Effort, VectorInput};

/// Everything that the answer to a search depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    collection: CollectionId,
    schema_version: u32,
    snapshot: u64,
    vector_column: String,
    query: Query,
    k: usize,
    offset: usize,
    /// The column and the rows of a group.
    group_by: Option<(String, usize)>,
    /// By their bits.
    radius: Option<u32>,
    inner_radius: Option<u32>,
    effort: EffortKey,
    columns: Vec<String>,
    filter: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Query {
    Packed(&'static str, bytes::Bytes),
    /// Floats by their bits: a key is the same or it is not.
    Floats(Vec<u32>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum EffortKey {
    Exact,
    Candidates(usize),
    MinRecallBits(u32),
}

impl CacheKey {
    /// The key of a search of `collection` as it was at `snapshot`.
    pub(crate) fn new(collection: &Collection, snapshot: u64, search: &Search) -> Self {
        Self {
            collection: collection.id,
            schema_version: collection.schema_version,
            snapshot,
            vector_column: search.vector_column.clone(),
            query: match &search.queries {
                // A copy: the original is a slice of the whole request.
                VectorInput::Packed { element, bytes } => {
                    Query::Packed(element.name(), bytes::Bytes::copy_from_slice(bytes))
                }
                VectorInput::Floats(values) => {
                    Query::Floats(values.iter().map(|value| value.to_bits()).collect())
                }
            },
            k: search.k,
            offset: search.offset,
            group_by: search.group_by.as_ref().map(|groups| (groups.column.clone(), groups.size)),
            radius: search.radius.map(f32::to_bits),
            inner_radius: search.inner_radius.map(f32::to_bits),
            effort: match search.effort {
                Effort::Exact => EffortKey::Exact,
                Effort::Candidates(candidates) => EffortKey::Candidates(candidates),
                Effort::MinRecall(recall) => EffortKey::MinRecallBits(recall.to_bits()),
            },
            columns: search.columns.clone(),
            filter: search.filter.as_ref().map(RowFilter::key),
        }
    }

    fn bytes(&self) -> usize {
        let query = match &self.query {
            Query::Packed(_, bytes) => bytes.len(),
            Query::Floats(bits) => bits.len() * 4,
        };
        let names = self.columns.iter().map(|name| name.len() + size_of::<String>());
        let filter = self.filter.as_ref().map_or(0, String::len);
        let group_by = self.group_by.as_ref().map_or(0, |(column, _)| column.len());
        let names = self.vector_column.len() + names.sum::<usize>() + group_by;
        size_of::<Self>() + names + query + filter
    }
}

/// A cache of answers with a bound on its memory; clones are handles of the same.
#[derive(Clone)]
pub(crate) struct ResultCache(Cache<CacheKey, v1::SearchResponse>);

impl ResultCache {
    /// A cache of at most `bytes`, or none if that is 0.
    pub(crate) fn new(bytes: u64) -> Option<Self> {
        let weigh = |key: &CacheKey, answer: &v1::SearchResponse| {
            let bytes = key.bytes() + answer.encoded_len() + size_of::<v1::SearchResponse>();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        (bytes > 0).then(|| Self(Cache::builder().max_capacity(bytes).weigher(weigh).build()))
    }

    /// The answer kept for `key`.
    pub(crate) fn get(&self, key: &CacheKey) -> Option<v1::SearchResponse> {
        self.0.get(key)
    }

    /// Keeps an answer.
    pub(crate) fn put(&self, key: CacheKey, answer: &v1::SearchResponse) {
        self.0.insert(key, answer.clone());
    }

    /// Forgets all answers.
    pub(crate) fn clear(&self) {
        self.0.invalidate_all();
    }

    /// Bytes of the answers kept, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.weighted_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_engine::GroupHits;
    use vicinal_types::{
        CollectionSpec, Column, ColumnId, ElementType, IdType, Metric, Schema, VectorType,
    };

    fn search(query: f32, k: usize) -> Search {
        Search {
            vector_column: "v".to_owned(),
            queries: VectorInput::Floats(vec![query]),
            k,
            offset: 0,
            group_by: None,
            radius: None,
            inner_radius: None,
            effort: Effort::DEFAULT,
            columns: vec!["word".to_owned()],
            partial_ok: false,
            filter: None,
            cursor: None,
        }
    }

    fn named(id: u32, schema_version: u32) -> Collection {
        let kind = VectorType::new(1, ElementType::F32, Metric::L2).expect("a right type");
        let columns = vec![Column::vector(ColumnId(1), "v", kind)];
        let schema = Schema::new(IdType::Int64, columns).expect("a right schema");
        let spec = CollectionSpec::new("c", schema);
        Collection { id: CollectionId(id), database: "d".to_owned(), schema_version, spec }
    }

    #[test]
    fn only_the_same_search_of_the_same_snapshot_is_answered() {
        let cache = ResultCache::new(1 << 20).expect("a cache");
        let key = |collection, snapshot, query, k| {
            CacheKey::new(&named(collection, 1), snapshot, &search(query, k))
        };
        let answer = v1::SearchResponse { nearer: 1, ..Default::default() };
        cache.put(key(1, 7, 0.5, 10), &answer);
        assert_eq!(cache.get(&key(1, 7, 0.5, 10)), Some(answer));
        assert_eq!(cache.get(&key(1, 8, 0.5, 10)), None, "a write came between");
        assert_eq!(cache.get(&key(2, 7, 0.5, 10)), None, "another collection");
        assert_eq!(cache.get(&key(1, 7, 0.6, 10)), None, "another query");
        assert_eq!(cache.get(&key(1, 7, 0.5, 11)), None, "another k");
        let key = CacheKey::new(&named(1, 2), 7, &search(0.5, 10));
        assert_eq!(cache.get(&key), None, "a column came or went");
        let grouped = |size| {
            let group_by = Some(GroupHits { column: "word".to_owned(), size });
            CacheKey::new(&named(1, 1), 7, &Search { group_by, ..search(0.5, 10) })
        };
        assert_eq!(cache.get(&grouped(1)), None, "groups");
        assert_ne!(grouped(1), grouped(2));
        let expression = vicinal_filter::Expression::parse("id < {max}").expect("a filter");
        let filtered = |max| {
            let parameters = [("max".to_owned(), vicinal_filter::Value::Int(max))].into();
            let filter = Some(RowFilter { expression: expression.clone(), parameters });
            CacheKey::new(&named(1, 1), 7, &Search { filter, ..search(0.5, 10) })
        };
        assert_eq!(cache.get(&filtered(3)), None, "a filter");
        assert_ne!(filtered(3), filtered(4));
    }

    #[test]
    fn no_bytes_is_no_cache() {
        assert!(ResultCache::new(0).is_none());
    }
}
