//! The words of `vicinal-types` as the messages of proto/, and back.

mod indexes;

pub(crate) use indexes::{index, index_back};
use vicinal_api::v1 as proto;
use vicinal_types::{ElementType, IdType, Ids, Metric, Nearer, ScalarType, SegmentLimits};

pub(crate) fn metric(metric: Metric) -> proto::Metric {
    match metric {
        Metric::L2 => proto::Metric::L2,
        Metric::InnerProduct => proto::Metric::InnerProduct,
        Metric::Cosine => proto::Metric::Cosine,
        Metric::Hamming => proto::Metric::Hamming,
        Metric::Jaccard => proto::Metric::Jaccard,
    }
}

pub(crate) fn element(element: ElementType) -> proto::ElementType {
    match element {
        ElementType::F32 => proto::ElementType::F32,
        ElementType::F16 => proto::ElementType::F16,
        ElementType::Bf16 => proto::ElementType::Bf16,
        ElementType::I8 => proto::ElementType::I8,
        ElementType::U8 => proto::ElementType::U8,
        ElementType::Binary => proto::ElementType::Binary,
    }
}

/// The element type that a message names; none if it names none.
pub(crate) fn element_back(element: proto::ElementType) -> Option<ElementType> {
    match element {
        proto::ElementType::Unspecified => None,
        proto::ElementType::F32 => Some(ElementType::F32),
        proto::ElementType::F16 => Some(ElementType::F16),
        proto::ElementType::Bf16 => Some(ElementType::Bf16),
        proto::ElementType::I8 => Some(ElementType::I8),
        proto::ElementType::U8 => Some(ElementType::U8),
        proto::ElementType::Binary => Some(ElementType::Binary),
    }
}

/// The metric that a message names; none if it names none.
pub(crate) fn metric_back(metric: proto::Metric) -> Option<Metric> {
    match metric {
        proto::Metric::Unspecified => None,
        proto::Metric::L2 => Some(Metric::L2),
        proto::Metric::InnerProduct => Some(Metric::InnerProduct),
        proto::Metric::Cosine => Some(Metric::Cosine),
        proto::Metric::Hamming => Some(Metric::Hamming),
        proto::Metric::Jaccard => Some(Metric::Jaccard),
    }
}

pub(crate) fn id_type(id_type: IdType) -> proto::IdType {
    match id_type {
        IdType::Int64 => proto::IdType::Int64,
        IdType::String => proto::IdType::String,
    }
}

pub(crate) fn scalar_type(scalar: ScalarType) -> proto::ScalarType {
    match scalar {
        ScalarType::Bool => proto::ScalarType::Bool,
        ScalarType::Int64 => proto::ScalarType::Int64,
        ScalarType::Float64 => proto::ScalarType::Float64,
        ScalarType::String => proto::ScalarType::String,
        ScalarType::Timestamp => proto::ScalarType::Timestamp,
        ScalarType::Json => proto::ScalarType::Json,
    }
}

pub(crate) fn segments(segments: SegmentLimits) -> proto::SegmentLimits {
    proto::SegmentLimits {
        max_rows: segments.max_rows,
        max_bytes: segments.max_bytes,
        max_interval_s: segments.max_interval_s,
    }
}

pub(crate) fn ids(ids: Ids) -> proto::Ids {
    let kind = match ids {
        Ids::Int(values) => proto::ids::Kind::Ints(proto::IntIds { values }),
        Ids::Str(values) => proto::ids::Kind::Strings(proto::StringIds { values }),
    };
    proto::Ids { kind: Some(kind) }
}

/// The ids of a message; absent ones are an empty list, which has no type on the wire.
pub(crate) fn ids_back(ids: Option<proto::Ids>) -> Ids {
    match ids.and_then(|ids| ids.kind) {
        Some(proto::ids::Kind::Ints(ids)) => Ids::Int(ids.values),
        Some(proto::ids::Kind::Strings(ids)) => Ids::Str(ids.values),
        None => Ids::Int(Vec::new()),
    }
}

/// The direction that a message names; none if it names none.
pub(crate) fn nearer_back(nearer: proto::Nearer) -> Option<Nearer> {
    match nearer {
        proto::Nearer::Lower => Some(Nearer::Lower),
        proto::Nearer::Higher => Some(Nearer::Higher),
        proto::Nearer::Unspecified => None,
    }
}
