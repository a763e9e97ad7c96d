//! `HNSW,m=16,ef_construction=128` as an index.

use vicinal_index::{HnswParams, IndexParams};
use vicinal_types::IndexSpec;

/// The seed of builds that name none.
const SEED: u64 = 1;

/// An index as it is named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedIndex {
    params: IndexParams,
}

impl NamedIndex {
    pub(super) fn params(&self) -> &IndexParams {
        &self.params
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.params {
            IndexParams::Flat => "FLAT",
            IndexParams::Hnsw(_) => "HNSW",
        }
    }

    /// All parameters, also those that were not named.
    pub(super) fn params_text(&self) -> String {
        match &self.params {
            IndexParams::Flat => String::new(),
            IndexParams::Hnsw(HnswParams { m, ef_construction, .. }) => {
                format!("m={m},ef_construction={ef_construction}")
            }
        }
    }
}

/// Reads a kind and its parameters.
pub(super) fn parse(text: &str) -> Result<NamedIndex, String> {
    let mut parts = text.split(',');
    let kind = parts.next().unwrap_or_default();
    match kind.to_ascii_uppercase().as_str() {
        "FLAT" => match parts.next() {
            None => Ok(NamedIndex { params: IndexParams::Flat }),
            Some(part) => Err(format!("FLAT takes no parameters, `{part}` is one")),
        },
        "HNSW" => {
            let defaults = IndexSpec::default();
            let mut params =
                HnswParams { m: defaults.m, ef_construction: defaults.ef_construction, seed: SEED };
            for part in parts {
                set(&mut params, part)?;
            }
            Ok(NamedIndex { params: IndexParams::Hnsw(params) })
        }
        _ => Err(format!("`{kind}` is no index; there are FLAT and HNSW")),
    }
}

fn set(params: &mut HnswParams, part: &str) -> Result<(), String> {
    let (key, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not KEY=NUMBER"))?;
    let wrong = |_| format!("`{value}` is not a number that {key} can be");
    match key {
        "m" => params.m = value.parse().map_err(wrong)?,
        "ef_construction" => params.ef_construction = value.parse().map_err(wrong)?,
        "seed" => params.seed = value.parse().map_err(wrong)?,
        _ => {
            return Err(format!("HNSW has no `{key}`; it has m, ef_construction and seed"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_read_with_their_parameters() {
        let check = |text: &str, kind: &str, params: &str| {
            let index = parse(text).expect("right");
            assert_eq!((index.kind(), index.params_text().as_str()), (kind, params));
        };
        check("FLAT", "FLAT", "");
        check("hnsw", "HNSW", "m=16,ef_construction=128");
        check("HNSW,m=8", "HNSW", "m=8,ef_construction=128");
        check("HNSW,ef_construction=64,m=32,seed=9", "HNSW", "m=32,ef_construction=64");
    }

    #[test]
    fn mistakes_are_named() {
        let check = |text: &str, expected: &str| {
            let reason = parse(text).expect_err("wrong");
            assert!(reason.contains(expected), "{reason}");
        };
        check("IVF", "`IVF` is no index");
        check("FLAT,m=3", "takes no parameters");
        check("HNSW,m", "KEY=NUMBER");
        check("HNSW,m=x", "`x` is not a number");
        check("HNSW,links=3", "no `links`");
    }
}
