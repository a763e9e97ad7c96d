//! Index parameters as the messages of proto/, and back.

use vicinal_api::v1 as proto;
use vicinal_types::{IndexCodes, IndexEngine, IndexKind, IndexLayout, IndexObjective, IndexSpec};

pub(crate) fn index(index: IndexSpec) -> proto::IndexSpec {
    proto::IndexSpec {
        kind: kind(index.kind).into(),
        m: index.m,
        ef_construction: index.ef_construction,
        flat_below_rows: index.flat_below_rows,
        engine: engine(index.engine).into(),
        codes: codes(index.codes).into(),
        layout: layout(index.layout).into(),
        objective: objective(index.objective).into(),
        lists: index.lists,
        pq_bits: index.pq_bits,
        pq_subvectors: index.pq_subvectors,
    }
}

/// The parameters that a message names; none if one has a name that this client
/// does not know.
pub(crate) fn index_back(index: &proto::IndexSpec) -> Option<IndexSpec> {
    let default = IndexSpec::default();
    Some(IndexSpec {
        kind: kind_back(index.kind, default.kind)?,
        engine: engine_back(index.engine, default.engine)?,
        objective: objective_back(index.objective, default.objective)?,
        codes: codes_back(index.codes, default.codes)?,
        layout: layout_back(index.layout, default.layout)?,
        m: index.m,
        ef_construction: index.ef_construction,
        lists: index.lists,
        pq_bits: index.pq_bits,
        pq_subvectors: index.pq_subvectors,
        flat_below_rows: index.flat_below_rows,
    })
}

fn kind(kind: IndexKind) -> proto::IndexKind {
    match kind {
        IndexKind::Auto => proto::IndexKind::Auto,
        IndexKind::Flat => proto::IndexKind::Flat,
        IndexKind::Hnsw => proto::IndexKind::Hnsw,
        IndexKind::IvfFlat => proto::IndexKind::IvfFlat,
        IndexKind::IvfSq8 => proto::IndexKind::IvfSq8,
        IndexKind::IvfPq => proto::IndexKind::IvfPq,
        IndexKind::IvfRabitq => proto::IndexKind::IvfRabitq,
        IndexKind::Scann => proto::IndexKind::Scann,
    }
}

fn kind_back(number: i32, default: IndexKind) -> Option<IndexKind> {
    Some(match proto::IndexKind::try_from(number).ok()? {
        proto::IndexKind::Unspecified => default,
        proto::IndexKind::Auto => IndexKind::Auto,
        proto::IndexKind::Flat => IndexKind::Flat,
        proto::IndexKind::Hnsw => IndexKind::Hnsw,
        proto::IndexKind::IvfFlat => IndexKind::IvfFlat,
        proto::IndexKind::IvfSq8 => IndexKind::IvfSq8,
        proto::IndexKind::IvfPq => IndexKind::IvfPq,
        proto::IndexKind::IvfRabitq => IndexKind::IvfRabitq,
        proto::IndexKind::Scann => IndexKind::Scann,
    })
}

fn engine(engine: IndexEngine) -> proto::IndexEngine {
    match engine {
        IndexEngine::Native => proto::IndexEngine::Native,
        IndexEngine::HnswRs => proto::IndexEngine::HnswRs,
        IndexEngine::Faiss => proto::IndexEngine::Faiss,
    }
}

fn engine_back(number: i32, default: IndexEngine) -> Option<IndexEngine> {
    Some(match proto::IndexEngine::try_from(number).ok()? {
        proto::IndexEngine::Unspecified => default,
        proto::IndexEngine::Native => IndexEngine::Native,
        proto::IndexEngine::HnswRs => IndexEngine::HnswRs,
        proto::IndexEngine::Faiss => IndexEngine::Faiss,
    })
}

fn codes(codes: IndexCodes) -> proto::IndexCodes {
    match codes {
        IndexCodes::Auto => proto::IndexCodes::Auto,
        IndexCodes::None => proto::IndexCodes::None,
        IndexCodes::Sq8 => proto::IndexCodes::Sq8,
        IndexCodes::Sq4 => proto::IndexCodes::Sq4,
        IndexCodes::Rabitq => proto::IndexCodes::Rabitq,
        IndexCodes::Inlined => proto::IndexCodes::Inlined,
    }
}

fn codes_back(number: i32, default: IndexCodes) -> Option<IndexCodes> {
    Some(match proto::IndexCodes::try_from(number).ok()? {
        proto::IndexCodes::Unspecified => default,
        proto::IndexCodes::Auto => IndexCodes::Auto,
        proto::IndexCodes::None => IndexCodes::None,
        proto::IndexCodes::Sq8 => IndexCodes::Sq8,
        proto::IndexCodes::Sq4 => IndexCodes::Sq4,
        proto::IndexCodes::Rabitq => IndexCodes::Rabitq,
        proto::IndexCodes::Inlined => IndexCodes::Inlined,
    })
}

fn layout(layout: IndexLayout) -> proto::IndexLayout {
    match layout {
        IndexLayout::Memory => proto::IndexLayout::Memory,
        IndexLayout::Paged => proto::IndexLayout::Paged,
    }
}

fn layout_back(number: i32, default: IndexLayout) -> Option<IndexLayout> {
    Some(match proto::IndexLayout::try_from(number).ok()? {
        proto::IndexLayout::Unspecified => default,
        proto::IndexLayout::Memory => IndexLayout::Memory,
        proto::IndexLayout::Paged => IndexLayout::Paged,
    })
}

fn objective(objective: IndexObjective) -> proto::IndexObjective {
    match objective {
        IndexObjective::Latency => proto::IndexObjective::Latency,
        IndexObjective::Throughput => proto::IndexObjective::Throughput,
        IndexObjective::Memory => proto::IndexObjective::Memory,
    }
}

fn objective_back(number: i32, default: IndexObjective) -> Option<IndexObjective> {
    Some(match proto::IndexObjective::try_from(number).ok()? {
        proto::IndexObjective::Unspecified => default,
        proto::IndexObjective::Latency => IndexObjective::Latency,
        proto::IndexObjective::Throughput => IndexObjective::Throughput,
        proto::IndexObjective::Memory => IndexObjective::Memory,
    })
}
