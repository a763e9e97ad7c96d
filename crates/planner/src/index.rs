//! Which index a sealed segment gets.

use vicinal_types::{IndexKind, IndexSpec, VectorType};

/// The index to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexPlan {
    /// Compare with every row.
    Flat,
    /// A navigable small-world graph.
    Hnsw {
        /// Links of a vertex above the ground layer.
        m: u32,
        /// Candidates kept while a vertex is linked.
        ef_construction: u32,
    },
}

/// The index to build, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexChoice {
    /// The index.
    pub kind: IndexPlan,
    /// One sentence for `describe` and the log.
    pub reason: String,
}

/// Rows below which a graph is never built, even when it is asked for: one page
/// of vectors is scanned faster than a graph is entered.
const GRAPH_ROWS_MIN: u64 = 2;

/// Chooses the index of a segment's vector column.
pub fn choose_index(rows: u64, vector: VectorType, spec: &IndexSpec) -> IndexChoice {
    let hnsw = IndexPlan::Hnsw { m: spec.m, ef_construction: spec.ef_construction };
    let (element, below) = (vector.element(), spec.flat_below_rows);
    match spec.kind {
        IndexKind::Flat => choice(IndexPlan::Flat, "FLAT is declared".into()),
        IndexKind::Hnsw if rows < GRAPH_ROWS_MIN => {
            choice(IndexPlan::Flat, format!("HNSW is declared, but {rows} rows make no graph"))
        }
        IndexKind::Hnsw => choice(hnsw, "HNSW is declared".into()),
        IndexKind::Auto if rows < below.max(GRAPH_ROWS_MIN) => choice(
            IndexPlan::Flat,
            format!(
                "{rows} {element} vectors are below flat_below_rows = {below}: a scan is exact and fast enough"
            ),
        ),
        IndexKind::Auto => choice(
            hnsw,
            format!(
                "{rows} {element} vectors are at or above flat_below_rows = {below}: a scan of all would be slow"
            ),
        ),
    }
}

fn choice(kind: IndexPlan, reason: String) -> IndexChoice {
    IndexChoice { kind, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_types::{ElementType, Metric};

    #[test]
    fn the_rule_is_the_table() {
        let vector = VectorType::new(128, ElementType::F32, Metric::L2).expect("a right type");
        let hnsw = IndexPlan::Hnsw { m: 16, ef_construction: 128 };
        let table = [
            (IndexKind::Auto, 0, IndexPlan::Flat),
            (IndexKind::Auto, 4_095, IndexPlan::Flat),
            (IndexKind::Auto, 4_096, hnsw),
            (IndexKind::Flat, 16_000_000, IndexPlan::Flat),
            (IndexKind::Hnsw, 0, IndexPlan::Flat),
            (IndexKind::Hnsw, 1, IndexPlan::Flat),
            (IndexKind::Hnsw, 2, hnsw),
        ];
        for (kind, rows, expected) in table {
            let spec = IndexSpec { kind, ..IndexSpec::default() };
            assert_eq!(choose_index(rows, vector, &spec).kind, expected, "{kind:?} of {rows}");
        }
    }

    #[test]
    fn the_reason_names_the_numbers() {
        let vector =
            VectorType::new(64, ElementType::Binary, Metric::Hamming).expect("a right type");
        let choice = choose_index(5_000, vector, &IndexSpec::default());
        assert!(choice.reason.contains("5000 binary vectors"), "{}", choice.reason);
        assert!(choice.reason.contains("4096"), "{}", choice.reason);
    }
}
