//! Messages as they go over the wire, right and wrong ones, and their stubs.

use tonic::transport::Channel;
use tonic::{Code, Status};
use vicinal_client::proto;
use vicinal_client::proto::collections_client::CollectionsClient;
use vicinal_client::proto::column_values::Values;
use vicinal_client::proto::rows_client::RowsClient;
use vicinal_client::proto::search_client::SearchClient;

/// Bytes of a message that these stubs send and take: more than a server does.
const MESSAGE_BYTES: usize = 256 << 20;

pub(crate) fn rows_stub(channel: &Channel) -> RowsClient<Channel> {
    RowsClient::new(channel.clone())
        .max_encoding_message_size(MESSAGE_BYTES)
        .max_decoding_message_size(MESSAGE_BYTES)
}

pub(crate) fn search_stub(channel: &Channel) -> SearchClient<Channel> {
    SearchClient::new(channel.clone())
}

pub(crate) fn collections_stub(channel: &Channel) -> CollectionsClient<Channel> {
    CollectionsClient::new(channel.clone())
}

/// Integer ids.
pub(crate) fn ids(values: impl IntoIterator<Item = i64>) -> Option<proto::Ids> {
    let values = values.into_iter().collect();
    Some(proto::Ids { kind: Some(proto::ids::Kind::Ints(proto::IntIds { values })) })
}

/// The integers of ids.
pub(crate) fn ints(ids: Option<proto::Ids>) -> Vec<i64> {
    match ids.and_then(|ids| ids.kind) {
        Some(proto::ids::Kind::Ints(ints)) => ints.values,
        None => Vec::new(),
        Some(proto::ids::Kind::Strings(strings)) => panic!("{strings:?} are no integers"),
    }
}

/// String ids.
pub(crate) fn names(values: &[&str]) -> Option<proto::Ids> {
    let values = values.iter().map(ToString::to_string).collect();
    Some(proto::Ids { kind: Some(proto::ids::Kind::Strings(proto::StringIds { values })) })
}

/// Little-endian floats.
pub(crate) fn packed(values: &[f32]) -> proto::Vectors {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    proto::Vectors {
        data: Some(proto::vectors::Data::Packed(bytes.into())),
        element: proto::ElementType::F32.into(),
    }
}

/// The floats of packed vectors.
pub(crate) fn floats(vectors: &proto::Vectors) -> Vec<f32> {
    let Some(proto::vectors::Data::Packed(bytes)) = &vectors.data else {
        panic!("vectors come packed, these are {vectors:?}");
    };
    let (floats, _) = bytes.as_chunks::<4>();
    floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// A column without nulls.
pub(crate) fn column(name: &str, values: Values) -> proto::ColumnValues {
    proto::ColumnValues { name: name.to_owned(), values: Some(values), nulls: Vec::new() }
}

/// Strings of a column.
pub(crate) fn strings(values: impl IntoIterator<Item = String>) -> Values {
    let values = values.into_iter().collect();
    Values::Strings(proto::StringValues { values })
}

/// Integers of a column.
pub(crate) fn int_values(values: impl IntoIterator<Item = i64>) -> Values {
    let values = values.into_iter().collect();
    Values::Ints(proto::IntValues { values })
}

/// A vector column.
pub(crate) fn vector_column(
    name: &str,
    dimension: u32,
    metric: proto::Metric,
) -> proto::VectorColumn {
    proto::VectorColumn {
        name: name.to_owned(),
        dimension,
        element: proto::ElementType::F32.into(),
        metric: metric.into(),
        index: None,
    }
}

/// A scalar column without nulls.
pub(crate) fn scalar_column(name: &str, scalar: proto::ScalarType) -> proto::ScalarColumn {
    proto::ScalarColumn { name: name.to_owned(), r#type: scalar.into(), ..Default::default() }
}

/// Asserts that a call failed with that code and a sentence that says `words`.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(outcome: Result<T, Status>, code: Code, words: &str) {
    let status = outcome.expect_err(words);
    let (found, message) = (status.code(), status.message());
    assert_eq!(found, code, "{message}");
    assert!(message.contains(words), "`{message}` does not say `{words}`");
    assert!(!message.contains('\n'), "`{message}` is not one line");
}
