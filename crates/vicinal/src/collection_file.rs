//! The YAML file that declares a collection.

use crate::failure::Failure;
use serde::Deserialize;
use std::path::Path;
use vicinal_client::{
    CollectionSpec, ColumnIndex, ColumnSpec, ElementType, IdType, IndexSpec, Metric, ScalarType,
    ScalarValue, SegmentLimits, VectorType,
};

/// A declared collection; configs/collection.yaml shows every key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CollectionFile {
    pub(crate) collection: String,
    #[serde(default)]
    pub(crate) database: Option<String>,
    #[serde(default = "int64")]
    id: IdType,
    vectors: Vec<VectorEntry>,
    #[serde(default)]
    columns: Vec<ColumnEntry>,
    /// None: what the server's configuration says.
    #[serde(default)]
    segments: Option<SegmentLimits>,
    /// None: rows do not expire.
    #[serde(default)]
    ttl: Option<TtlEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TtlEntry {
    column: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VectorEntry {
    name: String,
    dimension: u32,
    #[serde(default = "f32")]
    element: ElementType,
    metric: Metric,
    /// None: what the server's configuration says.
    #[serde(default)]
    index: Option<IndexSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnEntry {
    name: String,
    #[serde(rename = "type")]
    scalar: ScalarType,
    #[serde(default)]
    nullable: bool,
    #[serde(default)]
    default: Option<ScalarValue>,
    #[serde(default)]
    index: ColumnIndex,
}

fn int64() -> IdType {
    IdType::Int64
}

fn f32() -> ElementType {
    ElementType::F32
}

impl CollectionFile {
    /// Reads a file; a wrong one is named with line and key.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
        Self::parse(&text).map_err(|reason| Failure::file(path, reason))
    }

    fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| {
            let message = error.without_snippet().to_string();
            match error.location() {
                Some(at) if !message.contains("line ") => {
                    format!("line {}, column {}: {message}", at.line(), at.column())
                }
                Some(_) | None => message,
            }
        })
    }

    /// The declaration as the client sends it.
    pub(crate) fn spec(&self) -> Result<CollectionSpec, Failure> {
        let mut spec = CollectionSpec::new(&self.collection).id(self.id);
        if let Some(segments) = self.segments {
            spec = spec.segments(segments);
        }
        if let Some(ttl) = &self.ttl {
            let column = self.columns.iter().find(|column| column.name == ttl.column);
            if column.is_none_or(|column| column.scalar != ScalarType::Timestamp) {
                return Err(Failure::new(format!(
                    "ttl.column: `{}` is not among the columns of type timestamp; declare it, or leave ttl out",
                    ttl.column
                )));
            }
            spec = spec.ttl(&ttl.column);
        }
        for vector in &self.vectors {
            let kind = VectorType::new(vector.dimension, vector.element, vector.metric)
                .map_err(|error| Failure::new(format!("vectors.{}: {error}", vector.name)))?;
            spec = match vector.index {
                Some(index) => spec.indexed_vector(&vector.name, kind, index),
                None => spec.vector(&vector.name, kind),
            };
        }
        for column in &self.columns {
            column.index.check(column.scalar).map_err(|error| {
                Failure::new(format!("columns.{}: index: {error}", column.name))
            })?;
            let mut declared = ColumnSpec::new(&column.name, column.scalar);
            if column.index != ColumnIndex::Auto {
                declared = declared.with_index(column.index);
            }
            if column.nullable {
                declared = declared.nullable();
            }
            if let Some(default) = &column.default {
                let default = column.scalar.value(default.clone()).map_err(|error| {
                    Failure::new(format!("columns.{}: default: {error}", column.name))
                })?;
                declared = declared.with_default(default);
            }
            spec = spec.scalar_column(declared);
        }
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_client::ArrayItem;

    const WORDS: &str = "\
collection: words
vectors:
  - name: vector
    dimension: 384
    metric: cosine
";

    #[test]
    fn the_shipped_example_is_right_and_shows_every_default() {
        let text = include_str!("../../../configs/collection.yaml");
        let file = CollectionFile::parse(text).expect("the example parses");
        file.spec().expect("the example is a collection");
        assert_eq!(file.segments, Some(SegmentLimits::default()));
        assert_eq!(file.vectors[0].index, Some(IndexSpec::default()));
        let parameters = IndexSpec::default().fields().map(|(name, _)| format!("{name}:"));
        let keys = ["database:", "id:", "element:", "nullable:", "default:", "max_interval_s:"];
        let keys = keys.into_iter().chain(["ttl:"]);
        for key in keys.map(str::to_owned).chain(parameters) {
            assert!(text.contains(&key), "{key} is not shown");
        }
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let file = CollectionFile::parse(WORDS).expect("right");
        assert_eq!(file.database, None);
        assert_eq!(file.id, IdType::Int64);
        assert_eq!(file.vectors[0].element, ElementType::F32);
        assert_eq!(file.segments, None);
    }

    #[test]
    fn mistakes_are_named_with_line_and_key() {
        let check = |text: String, line: &str, key: &str| {
            let reason = CollectionFile::parse(&text).expect_err("wrong");
            assert!(reason.contains(line) && reason.contains(key), "{reason}");
            assert!(!reason.contains('\n'), "{reason}");
        };
        check(format!("{WORDS}segmants: {{}}\n"), "line 6", "segmants");
        check(format!("{WORDS}    dimensions: 3\n"), "line 6", "dimensions");
        check(format!("{WORDS}    index: {{ kind: HNSV }}\n"), "line 6", "HNSV");
        check(format!("{WORDS}    index: {{ m: many }}\n"), "line 6", "u32");
        check(format!("{WORDS}segments: {{ max_rose: 1 }}\n"), "line 6", "max_rose");
        check("collection: words\n".into(), "line 1", "vectors");
    }

    #[test]
    fn a_column_names_an_index_that_it_can_have() {
        let columns = |entry: &str| {
            let text = format!("{WORDS}columns:\n  - {{ name: c, {entry} }}\n");
            CollectionFile::parse(&text).map(|file| file.spec())
        };
        let words = columns("type: string, index: trigram").expect("it parses").expect("right");
        let kind = VectorType::new(384, ElementType::F32, Metric::Cosine).expect("right");
        let column = ColumnSpec::new("c", ScalarType::String).with_index(ColumnIndex::Trigram);
        let expected = CollectionSpec::new("words").vector("vector", kind).scalar_column(column);
        assert_eq!(words, expected);
        let wrong = columns("type: int8, index: trigram").expect("it parses").expect_err("wrong");
        let expected = "columns.c: index: a column of type int8 cannot have index trigram; use";
        assert!(wrong.to_string().contains(expected), "{wrong}");
        let wrong = columns("type: int8, index: btree").expect_err("there is none");
        assert!(wrong.contains("there is no column index \"btree\""), "{wrong}");
    }

    #[test]
    fn a_ttl_is_of_a_column_of_timestamps() {
        let of = |kind: &str, ttl: &str| {
            let text = format!("{WORDS}columns:\n  - {{ name: c, type: {kind} }}\nttl: {ttl}\n");
            CollectionFile::parse(&text).map(|file| file.spec())
        };
        let kind = VectorType::new(384, ElementType::F32, Metric::Cosine).expect("right");
        let expected = CollectionSpec::new("words")
            .vector("vector", kind)
            .column("c", ScalarType::Timestamp)
            .ttl("c");
        let right = of("timestamp", "{ column: c }").expect("it parses").expect("right");
        assert_eq!(right, expected);
        for (kind, column) in [("int64", "c"), ("timestamp", "d")] {
            let wrong = of(kind, &format!("{{ column: {column} }}")).expect("it parses");
            let wrong = wrong.expect_err("no timestamp").to_string();
            assert!(wrong.contains(&format!("ttl.column: `{column}` is not among")), "{wrong}");
        }
        assert!(of("timestamp", "{ seconds: 3 }").expect_err("no key").contains("seconds"));
    }

    #[test]
    fn defaults_are_values_of_their_columns() {
        let columns = |entries: &str| {
            let text = format!("{WORDS}columns:\n{entries}");
            CollectionFile::parse(&text).expect("it parses").spec()
        };
        let check = |entry: &str, scalar, default| {
            let spec = columns(&format!("  - {{ name: c, {entry} }}\n")).expect("right");
            let kind = VectorType::new(384, ElementType::F32, Metric::Cosine).expect("right");
            let words = CollectionSpec::new("words").vector("vector", kind);
            assert_eq!(
                spec,
                words.scalar_column(ColumnSpec::new("c", scalar).with_default(default)),
                "{entry}"
            );
        };
        let ints = ScalarType::Array(ArrayItem::Int8);
        let pair = vec![ScalarValue::Int(1), ScalarValue::Int(-2)];
        let text = |text: &str| ScalarValue::Text(text.to_owned());
        check("type: int8, default: -3", ScalarType::Int8, ScalarValue::Int(-3));
        check("type: float64, default: 3", ScalarType::Float64, ScalarValue::Float(3.0));
        check("type: float32, default: 0.5", ScalarType::Float32, ScalarValue::Float(0.5));
        check("type: bool, default: false", ScalarType::Bool, ScalarValue::Bool(false));
        check("type: string, default: '7'", ScalarType::String, text("7"));
        check("type: json, default: '{}'", ScalarType::Json, text("{}"));
        check("type: array<int8>, default: [1, -2]", ints, ScalarValue::Array(pair));
        check("type: array<int8>, default: []", ints, ScalarValue::Array(vec![]));
        let wrong = columns("  - { name: c, type: int8, default: 300 }\n").expect_err("no int8");
        let expected = "columns.c: default: 300 is not between -128 and 127, which int8 takes";
        assert!(wrong.to_string().contains(expected), "{wrong}");
    }

    #[test]
    fn a_vector_that_cannot_be_is_named() {
        let text = WORDS.replace("384", "0");
        let error = CollectionFile::parse(&text).expect("parses").spec().expect_err("wrong");
        assert!(error.to_string().contains("vectors.vector: dimension 0"), "{error}");
    }
}
