//! The words of `vicinal-types` as the messages of proto/, and back.

mod indexes;

pub(crate) use indexes::{index, index_back};
use vicinal_api::v1 as proto;
use vicinal_types::{
    ColumnIndex, ElementType, IdType, Ids, Metric, Nearer, ScalarType, ScalarValue, SegmentLimits,
};

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

/// The type of single values; an array's is that of its items.
pub(crate) fn scalar_type(scalar: ScalarType) -> proto::ScalarType {
    match scalar {
        ScalarType::Bool => proto::ScalarType::Bool,
        ScalarType::Int8 => proto::ScalarType::Int8,
        ScalarType::Int16 => proto::ScalarType::Int16,
        ScalarType::Int32 => proto::ScalarType::Int32,
        ScalarType::Int64 => proto::ScalarType::Int64,
        ScalarType::Float32 => proto::ScalarType::Float32,
        ScalarType::Float64 => proto::ScalarType::Float64,
        ScalarType::String => proto::ScalarType::String,
        ScalarType::Timestamp => proto::ScalarType::Timestamp,
        ScalarType::Json => proto::ScalarType::Json,
        ScalarType::Array(item) => scalar_type(item.scalar()),
    }
}

/// The scalar type that a message names; none if it names none that is known.
pub(crate) fn scalar_type_back(column: &proto::ScalarColumn) -> Option<ScalarType> {
    let single = match column.r#type() {
        proto::ScalarType::Unspecified => None,
        proto::ScalarType::Bool => Some(ScalarType::Bool),
        proto::ScalarType::Int8 => Some(ScalarType::Int8),
        proto::ScalarType::Int16 => Some(ScalarType::Int16),
        proto::ScalarType::Int32 => Some(ScalarType::Int32),
        proto::ScalarType::Int64 => Some(ScalarType::Int64),
        proto::ScalarType::Float32 => Some(ScalarType::Float32),
        proto::ScalarType::Float64 => Some(ScalarType::Float64),
        proto::ScalarType::String => Some(ScalarType::String),
        proto::ScalarType::Timestamp => Some(ScalarType::Timestamp),
        proto::ScalarType::Json => Some(ScalarType::Json),
    };
    single.and_then(|single| if column.is_array { single.array() } else { Some(single) })
}

pub(crate) fn column_index(index: ColumnIndex) -> proto::ColumnIndex {
    match index {
        ColumnIndex::Auto => proto::ColumnIndex::Auto,
        ColumnIndex::None => proto::ColumnIndex::None,
        ColumnIndex::Bitmap => proto::ColumnIndex::Bitmap,
        ColumnIndex::Sorted => proto::ColumnIndex::Sorted,
        ColumnIndex::Inverted => proto::ColumnIndex::Inverted,
        ColumnIndex::Trigram => proto::ColumnIndex::Trigram,
    }
}

/// The index that a message declares; none if it names none that is known.
pub(crate) fn column_index_back(column: &proto::ScalarColumn) -> Option<ColumnIndex> {
    match proto::ColumnIndex::try_from(column.index).ok()? {
        proto::ColumnIndex::Unspecified | proto::ColumnIndex::Auto => Some(ColumnIndex::Auto),
        proto::ColumnIndex::None => Some(ColumnIndex::None),
        proto::ColumnIndex::Bitmap => Some(ColumnIndex::Bitmap),
        proto::ColumnIndex::Sorted => Some(ColumnIndex::Sorted),
        proto::ColumnIndex::Inverted => Some(ColumnIndex::Inverted),
        proto::ColumnIndex::Trigram => Some(ColumnIndex::Trigram),
    }
}

pub(crate) fn value(value: ScalarValue) -> proto::Value {
    use proto::value::Kind;
    let kind = match value {
        ScalarValue::Bool(value) => Kind::BoolValue(value),
        ScalarValue::Int(value) => Kind::IntValue(value),
        ScalarValue::Float(value) => Kind::DoubleValue(value),
        ScalarValue::Text(text) => Kind::StringValue(text),
        ScalarValue::Array(items) => {
            let values = items.into_iter().map(self::value).collect();
            Kind::ListValue(proto::ValueList { values })
        }
    };
    proto::Value { kind: Some(kind) }
}

/// The value of a message; none if it, or an item of it, is empty.
pub(crate) fn value_back(value: &proto::Value) -> Option<ScalarValue> {
    use proto::value::Kind;
    match value.kind.as_ref()? {
        Kind::BoolValue(value) => Some(ScalarValue::Bool(*value)),
        Kind::IntValue(value) => Some(ScalarValue::Int(*value)),
        Kind::DoubleValue(value) => Some(ScalarValue::Float(*value)),
        Kind::StringValue(text) => Some(ScalarValue::Text(text.clone())),
        Kind::ListValue(list) => {
            let items = list.values.iter().map(value_back).collect::<Option<_>>()?;
            Some(ScalarValue::Array(items))
        }
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
