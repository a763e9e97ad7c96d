//! `HNSW,m=16,codes=sq8` as an index.

use serde_json::{Map, Value};
use vicinal_planner::choose_index;
use vicinal_types::{IndexParams, IndexSpec, VectorType};

/// The seed of builds that name none.
const SEED: u64 = 1;

/// Short names of parameters.
const SHORT: [(&str, &str); 4] =
    [("bits", "pq_bits"), ("subvectors", "pq_subvectors"), ("efc", "ef_construction"), ("M", "m")];

/// An index as it is named on the command line: a declaration and a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NamedIndex {
    spec: IndexSpec,
    seed: u64,
}

impl NamedIndex {
    /// What a segment of these vectors would get.
    pub(super) fn resolve(self, rows: u64, vector: VectorType) -> Result<IndexParams, String> {
        self.spec.check(vector).map_err(|error| format!("--index {}: {error}", self.spec))?;
        Ok(choose_index(rows, vector, &self.spec).params.with_seed(self.seed))
    }
}

/// Reads a kind and its parameters: those of configs/collection.yaml.
pub(super) fn parse(text: &str) -> Result<NamedIndex, String> {
    let mut parts = text.split(',');
    let kind = parts.next().unwrap_or_default().to_ascii_uppercase();
    let mut fields = Map::from_iter([("kind".to_owned(), Value::from(kind))]);
    let mut seed = SEED;
    for part in parts {
        let (key, value) =
            part.split_once('=').ok_or_else(|| format!("`{part}` is not KEY=VALUE"))?;
        let key = SHORT.iter().find(|(short, _)| *short == key).map_or(key, |(_, long)| long);
        let number = value.parse::<u64>();
        if key == "seed" {
            seed = number.map_err(|_| format!("`{value}` is not a number that seed can be"))?;
            continue;
        }
        let value = number.map_or_else(|_| Value::from(value), Value::from);
        fields.insert(key.to_owned(), value);
    }
    let spec = serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
    Ok(NamedIndex { spec, seed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_client::{ElementType, Metric};

    fn resolved(text: &str) -> Result<String, String> {
        let vector = VectorType::new(8, ElementType::F32, Metric::L2).expect("a right type");
        parse(text)?.resolve(100_000, vector).map(|params| params.to_string())
    }

    #[test]
    fn indexes_are_read_with_their_parameters() {
        let check = |text: &str, expected: &str| {
            assert_eq!(resolved(text).as_deref(), Ok(expected), "{text}");
        };
        check("FLAT", "FLAT");
        check("hnsw,codes=none", "HNSW m=16 ef_construction=128");
        check("HNSW,codes=none,efc=64,m=32,seed=9", "HNSW m=32 ef_construction=64");
        check("HNSW,engine=hnsw_rs,m=8", "hnsw_rs HNSW m=8 ef_construction=128");
        check("AUTO,flat_below_rows=200000", "FLAT");
        let faiss = "faiss IVF_PQ lists=64 pq_subvectors=4 pq_bits=4";
        check("IVF_PQ,engine=faiss,lists=64,bits=4", faiss);
    }

    #[test]
    fn mistakes_are_named() {
        let check = |text: &str, expected: &str| {
            let reason = resolved(text).expect_err("wrong");
            assert!(reason.contains(expected), "{reason}");
        };
        check("IVF", "unknown variant `IVF`");
        check("HNSW,m", "`m` is not KEY=VALUE");
        check("HNSW,m=x", "invalid type: string \"x\", expected u32");
        check("HNSW,seed=x", "`x` is not a number");
        check("HNSW,links=3", "unknown field `links`");
        check("HNSW,codes=sq9", "unknown variant `sq9`");
        check("HNSW,m=1", "m 1 is not between 2 and 256");
        check("IVF_PQ,engine=hnsw_rs", "engine hnsw_rs has no kind IVF_PQ");
    }
}
