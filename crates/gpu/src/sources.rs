//! The kernels' sources, which the binary carries, as the modules that are compiled.

use std::fmt::Write;
use xxhash_rust::xxh3::xxh3_128;

/// What every source begins with.
const COMMON: &str = include_str!("../../../kernels/common.cuh");

/// The line that stands for it.
const INCLUDE: &str = "#include \"common.cuh\"";

/// A file of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Comparing all rows with all queries.
    Flat,
    /// Merging the lists of blocks.
    SelectTopk,
    /// Comparing candidates anew.
    Rerank,
    /// Rounds of k-means.
    Kmeans,
}

/// The element types that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// bfloat16.
    Bf16,
    /// Signed byte.
    I8,
    /// Unsigned byte.
    U8,
}

/// What is compiled and loaded at once: a file, for one element type if it has any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Module {
    family: Family,
    element: Option<Element>,
}

/// A kernel: its module and its name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// The module that has it.
    pub module: Module,
    /// Its name in the source.
    pub name: &'static str,
}

impl Family {
    const ALL: [Self; 4] = [Self::Flat, Self::SelectTopk, Self::Rerank, Self::Kmeans];

    /// The file's name without its ending.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::SelectTopk => "select_topk",
            Self::Rerank => "rerank",
            Self::Kmeans => "kmeans",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Flat => include_str!("../../../kernels/flat.cu"),
            Self::SelectTopk => include_str!("../../../kernels/select_topk.cu"),
            Self::Rerank => include_str!("../../../kernels/rerank.cu"),
            Self::Kmeans => include_str!("../../../kernels/kmeans.cu"),
        }
    }

    fn is_typed(self) -> bool {
        match self {
            Self::Flat | Self::Rerank => true,
            Self::SelectTopk | Self::Kmeans => false,
        }
    }
}

impl Element {
    const ALL: [Self; 5] = [Self::F32, Self::F16, Self::Bf16, Self::I8, Self::U8];

    /// Its name in the sources.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::I8 => "I8",
            Self::U8 => "U8",
        }
    }
}

impl Module {
    /// The module of a family whose kernels take one element type.
    pub(crate) fn typed(family: Family, element: Element) -> Self {
        Self { family, element: family.is_typed().then_some(element) }
    }

    /// The module of a family whose kernels take keys or floats.
    pub(crate) fn plain(family: Family) -> Self {
        Self { family, element: None }
    }

    /// All modules.
    pub fn all() -> Vec<Self> {
        let typed = |family: Family| {
            let elements = Element::ALL.iter().filter(move |_| family.is_typed());
            elements.map(move |element| Self { family, element: Some(*element) })
        };
        let plain = Family::ALL.iter().filter(|family| !family.is_typed());
        let all = Family::ALL.into_iter().flat_map(typed);
        all.chain(plain.map(|family| Self::plain(*family))).collect()
    }

    /// The macro ELEMENT of the source; empty if it has none.
    pub fn element_name(self) -> &'static str {
        self.element.map_or("", Element::name)
    }

    /// A name for files and messages.
    pub fn name(self) -> String {
        match self.element {
            None => self.family.name().to_owned(),
            Some(element) => format!("{}-{}", self.family.name(), element.name()),
        }
    }

    /// The text to compile; nothing else belongs to it.
    pub fn source(self) -> String {
        let text = self.family.text().replacen(INCLUDE, COMMON, 1);
        match self.element {
            None => text,
            Some(element) => format!("#define ELEMENT {}\n{text}", element.name()),
        }
    }

    /// Names the source: another text has another one.
    pub fn hash(self) -> String {
        let mut text = String::new();
        for byte in xxh3_128(self.source().as_bytes()).to_le_bytes() {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_whole_texts_with_hashes_of_their_own() {
        let all = Module::all();
        assert_eq!(all.len(), 12);
        let mut hashes: Vec<_> = all.iter().map(|module| module.hash()).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), all.len());
        for module in all {
            let source = module.source();
            assert!(!source.contains(INCLUDE), "{} has no common part", module.name());
            assert!(source.contains("__shfl_xor_sync"));
        }
    }
}
