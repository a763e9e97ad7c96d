//! Which index a vector column gets, as a user declares it.

mod engines;
mod lists;
mod params;

use crate::{ElementType, Error, Result, VectorType, limits};
use serde::{Deserialize, Serialize};
use std::fmt;

pub use engines::{FaissIvfPq, FaissParams, ForeignGraph};
pub use lists::{FlatCodes, IvfCodes, IvfParams};
pub use params::{GraphParams, HnswCodes, HnswParams, IndexParams};

/// Which index a sealed segment gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IndexKind {
    /// FLAT below [`IndexSpec::flat_below_rows`], HNSW from there on.
    #[default]
    Auto,
    /// Compare with every row; over codes first, if there are any.
    Flat,
    /// Lists of near rows; the nearest lists are compared row by row.
    IvfFlat,
    /// Lists of 8-bit codes, the best compared again by their rows.
    IvfSq8,
    /// Lists of product codes (Jégou and others, 2011), the best compared again.
    IvfPq,
    /// Lists of 1-bit codes (RaBitQ; Gao and Long, 2024), the best compared again.
    IvfRabitq,
    /// Lists of product codes that weigh errors along the vector more (Guo and
    /// others, 2020), the best compared again.
    Scann,
    /// A navigable small-world graph (Malkov and Yashunin, 2016).
    Hnsw,
}

/// Whose code builds and searches an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexEngine {
    /// Vicinal's own.
    #[default]
    Native,
    /// The crate `hnsw_rs`: HNSW.
    HnswRs,
    /// The library faiss: FLAT, IVF_PQ and HNSW; only in builds with the feature
    /// `faiss`.
    Faiss,
}

/// What FLAT and HNSW compare with before they look at the rows themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexCodes {
    /// What [`IndexSpec::objective`] asks for.
    #[default]
    Auto,
    /// The rows alone.
    None,
    /// 8 bits a dimension.
    Sq8,
    /// 4 bits a dimension.
    Sq4,
    /// 1 bit a dimension (RaBitQ; Gao and Long, 2024).
    Rabitq,
    /// HNSW: 1-bit codes of a vertex's neighbours inside its own record.
    Inlined,
}

/// How a graph is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexLayout {
    /// For memory: links apart from rows.
    #[default]
    Memory,
    /// For disk: a vertex's links and row in one page.
    Paged,
}

/// What an index is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexObjective {
    /// Short searches.
    #[default]
    Latency,
    /// Many searches at once.
    Throughput,
    /// Little memory.
    Memory,
}

/// Index parameters of a vector column. Those of other kinds than the one named
/// are kept and have no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IndexSpec {
    /// Which index.
    pub kind: IndexKind,
    /// Whose code builds and searches it.
    pub engine: IndexEngine,
    /// What AUTO parameters are chosen for.
    pub objective: IndexObjective,
    /// FLAT and HNSW: what is compared before the rows themselves.
    pub codes: IndexCodes,
    /// HNSW: how the graph is laid out.
    pub layout: IndexLayout,
    /// HNSW: links of a vertex above the ground layer; twice as many on it.
    pub m: u32,
    /// HNSW: candidates kept while a vertex is linked.
    pub ef_construction: u32,
    /// IVF and SCANN: lists that the rows are sorted into; 0: by the rows.
    pub lists: u32,
    /// IVF_PQ: bits of a product code, 4 or 8; IVF_RABITQ: bits a dimension, 1 to 8.
    /// 0: 4 and 1.
    pub pq_bits: u32,
    /// IVF_PQ and SCANN: product codes of a row; 0: by the dimension.
    pub pq_subvectors: u32,
    /// AUTO: segments with fewer rows stay FLAT.
    pub flat_below_rows: u64,
}

impl Default for IndexSpec {
    fn default() -> Self {
        Self {
            kind: IndexKind::Auto,
            engine: IndexEngine::Native,
            objective: IndexObjective::Latency,
            codes: IndexCodes::Auto,
            layout: IndexLayout::Memory,
            m: 16,
            ef_construction: 128,
            lists: 0,
            pq_bits: 0,
            pq_subvectors: 0,
            flat_below_rows: 4_096,
        }
    }
}

impl IndexKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Auto,
        Self::Flat,
        Self::IvfFlat,
        Self::IvfSq8,
        Self::IvfPq,
        Self::IvfRabitq,
        Self::Scann,
        Self::Hnsw,
    ];

    /// The kind's name in YAML, flags and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "AUTO",
            Self::Flat => "FLAT",
            Self::IvfFlat => "IVF_FLAT",
            Self::IvfSq8 => "IVF_SQ8",
            Self::IvfPq => "IVF_PQ",
            Self::IvfRabitq => "IVF_RABITQ",
            Self::Scann => "SCANN",
            Self::Hnsw => "HNSW",
        }
    }
}

impl IndexEngine {
    /// Every engine.
    pub const ALL: [Self; 3] = [Self::Native, Self::HnswRs, Self::Faiss];

    /// The engine's name in YAML, flags and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::HnswRs => "hnsw_rs",
            Self::Faiss => "faiss",
        }
    }

    /// The kinds that it has; every engine takes AUTO.
    pub fn kinds(self) -> &'static [IndexKind] {
        match self {
            Self::Native => &IndexKind::ALL,
            Self::HnswRs => &[IndexKind::Auto, IndexKind::Hnsw],
            Self::Faiss => &[IndexKind::Auto, IndexKind::Flat, IndexKind::IvfPq, IndexKind::Hnsw],
        }
    }
}

impl IndexCodes {
    /// Every kind of codes.
    pub const ALL: [Self; 6] =
        [Self::Auto, Self::None, Self::Sq8, Self::Sq4, Self::Rabitq, Self::Inlined];

    /// Their name in YAML, flags and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Sq8 => "sq8",
            Self::Sq4 => "sq4",
            Self::Rabitq => "rabitq",
            Self::Inlined => "inlined",
        }
    }
}

impl IndexLayout {
    /// Every layout.
    pub const ALL: [Self; 2] = [Self::Memory, Self::Paged];

    /// The layout's name in YAML, flags and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Paged => "paged",
        }
    }
}

impl IndexObjective {
    /// Every objective.
    pub const ALL: [Self; 3] = [Self::Latency, Self::Throughput, Self::Memory];

    /// The objective's name in YAML, flags and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Throughput => "throughput",
            Self::Memory => "memory",
        }
    }
}

impl IndexSpec {
    /// Checks the parameters against each other and against the vectors that
    /// they are for.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) naming the parameter, its value,
    /// and what would do.
    pub fn check(&self, vector: VectorType) -> Result<()> {
        let dim = u32::try_from(vector.dim()).unwrap_or(u32::MAX);
        range("m", self.m, 2, limits::GRAPH_M_MAX)?;
        range("ef_construction", self.ef_construction, 4, limits::EF_CONSTRUCTION_MAX)?;
        range("lists", self.lists, 0, limits::LISTS_MAX)?;
        range("pq_subvectors", self.pq_subvectors, 0, dim)?;
        if self.kind == IndexKind::IvfRabitq {
            range("pq_bits", self.pq_bits, 0, limits::RABITQ_BITS_MAX)?;
        } else if !matches!(self.pq_bits, 0 | 4 | 8) {
            let bits = self.pq_bits;
            return wrong(format!("pq_bits {bits} is neither 4 nor 8 (nor 0, which is 4)"));
        }
        self.check_engine()?;
        self.check_codes()?;
        self.check_elements(vector.element())
    }

    /// Every parameter by its name in YAML, in the order of the documentation.
    pub fn fields(&self) -> [(&'static str, String); 11] {
        [
            ("kind", self.kind.to_string()),
            ("engine", self.engine.to_string()),
            ("objective", self.objective.to_string()),
            ("codes", self.codes.to_string()),
            ("layout", self.layout.to_string()),
            ("m", self.m.to_string()),
            ("ef_construction", self.ef_construction.to_string()),
            ("lists", self.lists.to_string()),
            ("pq_bits", self.pq_bits.to_string()),
            ("pq_subvectors", self.pq_subvectors.to_string()),
            ("flat_below_rows", self.flat_below_rows.to_string()),
        ]
    }

    /// Whether a parameter has an effect on the declared kind.
    fn has_effect(&self, name: &str) -> bool {
        let (is_auto, is_flat) = (self.kind == IndexKind::Auto, self.kind == IndexKind::Flat);
        let is_graph = is_auto || self.kind == IndexKind::Hnsw;
        let is_product = matches!(self.kind, IndexKind::IvfPq | IndexKind::Scann);
        match name {
            "m" | "ef_construction" | "layout" => is_graph,
            "codes" | "objective" => is_graph || is_flat,
            "flat_below_rows" => is_auto,
            "lists" => !is_graph && !is_flat,
            "pq_bits" => matches!(self.kind, IndexKind::IvfPq | IndexKind::IvfRabitq),
            "pq_subvectors" => is_product,
            _ => true,
        }
    }

    fn check_engine(&self) -> Result<()> {
        let (engine, kind, codes) = (self.engine, self.kind, self.codes);
        if !engine.kinds().contains(&kind) {
            let known = names(engine.kinds());
            return wrong(format!("engine {engine} has no kind {kind}; it has {known}"));
        }
        if engine == IndexEngine::Native {
            return Ok(());
        }
        if self.m >= limits::GRAPH_M_MAX {
            let (m, max) = (self.m, limits::GRAPH_M_MAX - 1);
            return wrong(format!("m {m} is not between 2 and {max}, as engine {engine} takes it"));
        }
        if !matches!(codes, IndexCodes::Auto | IndexCodes::None) {
            return wrong(format!("codes {codes} goes with engine native, not with {engine}"));
        }
        if self.layout != IndexLayout::Memory {
            let layout = self.layout;
            return wrong(format!("layout {layout} goes with engine native, not with {engine}"));
        }
        Ok(())
    }

    fn check_codes(&self) -> Result<()> {
        let (kind, codes, layout) = (self.kind, self.codes, self.layout);
        let is_graph = matches!(kind, IndexKind::Auto | IndexKind::Hnsw);
        if layout == IndexLayout::Paged && !is_graph {
            return wrong(format!("layout paged goes with kind HNSW, not with {kind}"));
        }
        if layout == IndexLayout::Paged && codes == IndexCodes::Inlined {
            return wrong("codes inlined goes with layout memory, not with paged".into());
        }
        match codes {
            IndexCodes::Auto => Ok(()),
            IndexCodes::Inlined if !is_graph => {
                wrong(format!("codes inlined goes with kind HNSW, not with {kind}"))
            }
            IndexCodes::Sq4 if kind == IndexKind::Flat => {
                wrong("codes sq4 goes with kind HNSW; FLAT has none, sq8 and rabitq".into())
            }
            IndexCodes::None
            | IndexCodes::Sq8
            | IndexCodes::Sq4
            | IndexCodes::Rabitq
            | IndexCodes::Inlined
                if is_graph || kind == IndexKind::Flat =>
            {
                Ok(())
            }
            IndexCodes::None
            | IndexCodes::Sq8
            | IndexCodes::Sq4
            | IndexCodes::Rabitq
            | IndexCodes::Inlined => wrong(format!(
                "codes {codes} goes with kind FLAT or HNSW; {kind} says its codes by its name, so leave codes out"
            )),
        }
    }

    /// Bits have no codes and no means.
    fn check_elements(&self, element: ElementType) -> Result<()> {
        if element != ElementType::Binary {
            return Ok(());
        }
        let (kind, engine, codes) = (self.kind, self.engine, self.codes);
        if !matches!(kind, IndexKind::Auto | IndexKind::Flat | IndexKind::Hnsw) {
            return wrong(format!("kind {kind} does not take binary vectors; use FLAT or HNSW"));
        }
        if engine != IndexEngine::Native {
            return wrong(format!("engine {engine} does not take binary vectors; use native"));
        }
        if !matches!(codes, IndexCodes::Auto | IndexCodes::None) {
            return wrong(format!("codes {codes} does not take binary vectors; use none"));
        }
        Ok(())
    }
}

fn range(name: &str, value: u32, min: u32, max: u32) -> Result<()> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    wrong(format!("{name} {value} is not between {min} and {max}"))
}

fn wrong(reason: String) -> Result<()> {
    Err(Error::invalid(reason))
}

fn names(kinds: &[IndexKind]) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

/// The kind and the parameters that have an effect on it: numbers always,
/// choices where they are not the default.
impl fmt::Display for IndexSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        let defaults = Self::default().fields();
        for ((name, value), (_, default)) in self.fields().into_iter().zip(defaults).skip(1) {
            let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
            let is_auto = value == "0" && name != "flat_below_rows";
            if self.has_effect(name) && (value != default || (is_number && !is_auto)) {
                write!(f, " {name}={value}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for IndexKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for IndexEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for IndexCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for IndexLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for IndexObjective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
