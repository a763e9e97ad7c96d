//! Index parameters: zero means what the configuration says.

use vicinal_api::v1;
use vicinal_types::{
    Error, IndexCodes, IndexEngine, IndexKind, IndexLayout, IndexObjective, IndexSpec, Result,
};

/// Zero means default.
pub(super) fn or<T: Default + PartialEq>(given: T, default: T) -> T {
    if given == T::default() { default } else { given }
}

/// Parses index parameters; what they leave out comes from the configuration.
pub(super) fn index_in(given: v1::IndexSpec, default: IndexSpec) -> Result<IndexSpec> {
    Ok(IndexSpec {
        kind: kind_in(given.kind)?.unwrap_or(default.kind),
        engine: engine_in(given.engine)?.unwrap_or(default.engine),
        objective: objective_in(given.objective)?.unwrap_or(default.objective),
        codes: codes_in(given.codes)?.unwrap_or(default.codes),
        layout: layout_in(given.layout)?.unwrap_or(default.layout),
        m: or(given.m, default.m),
        ef_construction: or(given.ef_construction, default.ef_construction),
        lists: or(given.lists, default.lists),
        pq_bits: or(given.pq_bits, default.pq_bits),
        pq_subvectors: or(given.pq_subvectors, default.pq_subvectors),
        flat_below_rows: or(given.flat_below_rows, default.flat_below_rows),
    })
}

/// Index parameters as a description has them.
pub(super) fn index_out(index: IndexSpec) -> v1::IndexSpec {
    v1::IndexSpec {
        kind: kind_out(index.kind).into(),
        m: index.m,
        ef_construction: index.ef_construction,
        flat_below_rows: index.flat_below_rows,
        engine: engine_out(index.engine).into(),
        codes: codes_out(index.codes).into(),
        layout: layout_out(index.layout).into(),
        objective: objective_out(index.objective).into(),
        lists: index.lists,
        pq_bits: index.pq_bits,
        pq_subvectors: index.pq_subvectors,
    }
}

fn unknown<T>(number: i32, name: &str, max: usize) -> Result<T> {
    Err(Error::invalid(format!("{number} is no {name}; use 0 to {max}")))
}

fn kind_in(number: i32) -> Result<Option<IndexKind>> {
    Ok(match v1::IndexKind::try_from(number) {
        Ok(v1::IndexKind::Unspecified) => None,
        Ok(v1::IndexKind::Auto) => Some(IndexKind::Auto),
        Ok(v1::IndexKind::Flat) => Some(IndexKind::Flat),
        Ok(v1::IndexKind::Hnsw) => Some(IndexKind::Hnsw),
        Ok(v1::IndexKind::IvfFlat) => Some(IndexKind::IvfFlat),
        Ok(v1::IndexKind::IvfSq8) => Some(IndexKind::IvfSq8),
        Ok(v1::IndexKind::IvfPq) => Some(IndexKind::IvfPq),
        Ok(v1::IndexKind::IvfRabitq) => Some(IndexKind::IvfRabitq),
        Ok(v1::IndexKind::Scann) => Some(IndexKind::Scann),
        Err(_) => return unknown(number, "IndexKind", 8),
    })
}

fn kind_out(kind: IndexKind) -> v1::IndexKind {
    match kind {
        IndexKind::Auto => v1::IndexKind::Auto,
        IndexKind::Flat => v1::IndexKind::Flat,
        IndexKind::Hnsw => v1::IndexKind::Hnsw,
        IndexKind::IvfFlat => v1::IndexKind::IvfFlat,
        IndexKind::IvfSq8 => v1::IndexKind::IvfSq8,
        IndexKind::IvfPq => v1::IndexKind::IvfPq,
        IndexKind::IvfRabitq => v1::IndexKind::IvfRabitq,
        IndexKind::Scann => v1::IndexKind::Scann,
    }
}

fn engine_in(number: i32) -> Result<Option<IndexEngine>> {
    Ok(match v1::IndexEngine::try_from(number) {
        Ok(v1::IndexEngine::Unspecified) => None,
        Ok(v1::IndexEngine::Native) => Some(IndexEngine::Native),
        Ok(v1::IndexEngine::HnswRs) => Some(IndexEngine::HnswRs),
        Ok(v1::IndexEngine::Faiss) => Some(IndexEngine::Faiss),
        Err(_) => return unknown(number, "IndexEngine", 3),
    })
}

fn engine_out(engine: IndexEngine) -> v1::IndexEngine {
    match engine {
        IndexEngine::Native => v1::IndexEngine::Native,
        IndexEngine::HnswRs => v1::IndexEngine::HnswRs,
        IndexEngine::Faiss => v1::IndexEngine::Faiss,
    }
}

fn codes_in(number: i32) -> Result<Option<IndexCodes>> {
    Ok(match v1::IndexCodes::try_from(number) {
        Ok(v1::IndexCodes::Unspecified) => None,
        Ok(v1::IndexCodes::Auto) => Some(IndexCodes::Auto),
        Ok(v1::IndexCodes::None) => Some(IndexCodes::None),
        Ok(v1::IndexCodes::Sq8) => Some(IndexCodes::Sq8),
        Ok(v1::IndexCodes::Sq4) => Some(IndexCodes::Sq4),
        Ok(v1::IndexCodes::Rabitq) => Some(IndexCodes::Rabitq),
        Ok(v1::IndexCodes::Inlined) => Some(IndexCodes::Inlined),
        Err(_) => return unknown(number, "IndexCodes", 6),
    })
}

fn codes_out(codes: IndexCodes) -> v1::IndexCodes {
    match codes {
        IndexCodes::Auto => v1::IndexCodes::Auto,
        IndexCodes::None => v1::IndexCodes::None,
        IndexCodes::Sq8 => v1::IndexCodes::Sq8,
        IndexCodes::Sq4 => v1::IndexCodes::Sq4,
        IndexCodes::Rabitq => v1::IndexCodes::Rabitq,
        IndexCodes::Inlined => v1::IndexCodes::Inlined,
    }
}

fn layout_in(number: i32) -> Result<Option<IndexLayout>> {
    Ok(match v1::IndexLayout::try_from(number) {
        Ok(v1::IndexLayout::Unspecified) => None,
        Ok(v1::IndexLayout::Memory) => Some(IndexLayout::Memory),
        Ok(v1::IndexLayout::Paged) => Some(IndexLayout::Paged),
        Err(_) => return unknown(number, "IndexLayout", 2),
    })
}

fn layout_out(layout: IndexLayout) -> v1::IndexLayout {
    match layout {
        IndexLayout::Memory => v1::IndexLayout::Memory,
        IndexLayout::Paged => v1::IndexLayout::Paged,
    }
}

fn objective_in(number: i32) -> Result<Option<IndexObjective>> {
    Ok(match v1::IndexObjective::try_from(number) {
        Ok(v1::IndexObjective::Unspecified) => None,
        Ok(v1::IndexObjective::Latency) => Some(IndexObjective::Latency),
        Ok(v1::IndexObjective::Throughput) => Some(IndexObjective::Throughput),
        Ok(v1::IndexObjective::Memory) => Some(IndexObjective::Memory),
        Err(_) => return unknown(number, "IndexObjective", 3),
    })
}

fn objective_out(objective: IndexObjective) -> v1::IndexObjective {
    match objective {
        IndexObjective::Latency => v1::IndexObjective::Latency,
        IndexObjective::Throughput => v1::IndexObjective::Throughput,
        IndexObjective::Memory => v1::IndexObjective::Memory,
    }
}
