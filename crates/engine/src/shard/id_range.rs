//! Which ids a segment has, said by a manifest for when its file cannot be read.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of a string id that are kept: enough to know it by, few beside what else a
/// manifest says of each of thousands of segments.
const TEXT_BYTES_MAX: usize = 48;

/// The least and the greatest id of a segment, deleted ones included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum IdRange {
    Int(i64, i64),
    /// Each cut at [`TEXT_BYTES_MAX`], with an ellipsis then.
    Str(String, String),
}

impl IdRange {
    /// That of an id column; none without rows.
    pub(super) fn of(ids: &ArrayRef) -> Option<Self> {
        if let Some(ids) = ids.as_primitive_opt::<Int64Type>() {
            let ids = ids.values().iter();
            return Some(Self::Int(*ids.clone().min()?, *ids.max()?));
        }
        let ids = || ids.as_string::<i32>().iter().flatten();
        Some(Self::Str(cut(ids().min()?), cut(ids().max()?)))
    }
}

fn cut(id: &str) -> String {
    let end = id.floor_char_boundary(TEXT_BYTES_MAX);
    let ellipsis = if end < id.len() { "…" } else { "" };
    format!("{}{ellipsis}", &id[..end])
}

impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(least, greatest) => write!(f, "{least} to {greatest}"),
            Self::Str(least, greatest) => write!(f, "{least:?} to {greatest:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::ids_to_array;
    use vicinal_types::Ids;

    #[test]
    fn ranges_are_found_cut_said_and_read_again() {
        let long = |first: &str| format!("{first}{}", "ü".repeat(60));
        let cases = [
            (Ids::Int(vec![3, -7, 12]), "[-7,12]", "-7 to 12".to_owned()),
            (Ids::Str(vec!["b".into(), "a".into()]), r#"["a","b"]"#, r#""a" to "b""#.to_owned()),
            (
                Ids::Str(vec![long("b"), long("a")]),
                "",
                format!(
                    "{:?} to {:?}",
                    format!("a{}…", "ü".repeat(23)),
                    format!("b{}…", "ü".repeat(23))
                ),
            ),
        ];
        for (ids, json, text) in cases {
            let range = IdRange::of(&ids_to_array(&ids)).expect("rows");
            assert_eq!(range.to_string(), text);
            let written = serde_json::to_string(&range).expect("JSON");
            assert!(json.is_empty() || written == json, "{written}");
            assert_eq!(serde_json::from_str::<IdRange>(&written).expect("JSON"), range);
        }
        assert_eq!(IdRange::of(&ids_to_array(&Ids::Int(vec![]))), None);
    }
}
