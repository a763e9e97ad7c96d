//! Recall against queries per second, of our indexes and of others.

use crate::failure::Failure;
use crate::output;
use serde_json::{Map, Value};
use std::path::Path;

/// Fields of a line that say what was measured; all others say what was searched.
const MEASURED: [&str; 15] = [
    "lib",
    "index",
    "params",
    "ef",
    "nprobe",
    "recall",
    "qps",
    "build_s",
    "mem_mb",
    "distances",
    "index_bytes",
    "bytes_per_row",
    "k",
    "threads",
    "data",
];

/// The library that others are compared with.
const REFERENCE: &str = "hnswlib";

/// One effort of one index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) recall: f64,
    pub(super) qps: f64,
}

/// An index at growing efforts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curve {
    /// `HNSW`, `hnswlib`.
    pub(super) name: String,
    /// `m=16 ef_construction=128`.
    pub(super) params: String,
    /// Whether it was measured in this run.
    pub(super) is_ours: bool,
    /// In the order of measurement.
    pub(super) points: Vec<Point>,
}

impl Curve {
    /// Whether it is what others are compared with.
    pub(super) fn is_reference(&self) -> bool {
        !self.is_ours && self.name == REFERENCE
    }

    /// The points that no other one beats in both, by ascending recall.
    fn frontier(&self) -> Vec<Point> {
        let mut points = self.points.clone();
        points.sort_by(|a, b| b.recall.total_cmp(&a.recall).then(b.qps.total_cmp(&a.qps)));
        let mut fastest = 0.0;
        points.retain(|point| {
            let is_fastest = point.qps > fastest;
            fastest = point.qps.max(fastest);
            is_fastest
        });
        points.reverse();
        points
    }

    /// Queries per second at a recall: between the points of the frontier by
    /// straight lines over the logarithm. Below the first point that one's, above
    /// the last none.
    pub(super) fn qps_at(&self, recall: f64) -> Option<f64> {
        let frontier = self.frontier();
        let next = frontier.iter().position(|point| point.recall >= recall)?;
        let high = frontier[next];
        let Some(low) = next.checked_sub(1).map(|at| frontier[at]) else {
            return Some(high.qps);
        };
        let part = (recall - low.recall) / (high.recall - low.recall);
        Some((low.qps.ln() + (high.qps.ln() - low.qps.ln()) * part).exp())
    }
}

/// The fastest of some curves at a recall.
pub(super) fn fastest<'a>(curves: impl Iterator<Item = &'a Curve>, recall: f64) -> Option<f64> {
    curves.filter_map(|curve| curve.qps_at(recall)).max_by(f64::total_cmp)
}

/// Reads what others measured: one JSON object a line, as the peers' script and
/// `--json` print them. Lines that report an error are skipped with a note.
pub(super) fn read(path: &Path) -> Result<Vec<Curve>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
    let mut curves = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |reason: String| Failure::file(path, format!("line {number}: {reason}"));
        let fields: Map<String, Value> = serde_json::from_str(line)
            .map_err(|error| wrong(format!("no JSON object: {error}")))?;
        let lib = fields.get("lib").and_then(Value::as_str);
        let lib = lib.ok_or_else(|| wrong("it names no `lib`".into()))?;
        if let Some(error) = fields.get("error") {
            output::note(format_args!("{}: {lib} is left out: {error}", path.display()));
            continue;
        }
        let number = |name: &str| {
            let value = fields.get(name).and_then(Value::as_f64);
            value.ok_or_else(|| wrong(format!("it has no number `{name}`")))
        };
        let point = Point { recall: number("recall")?, qps: number("qps")? };
        add(&mut curves, named(lib, &fields), point);
    }
    Ok(curves)
}

/// The curve that a line belongs to, without points.
fn named(lib: &str, fields: &Map<String, Value>) -> Curve {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    if !text("index").is_empty() {
        let (name, params) = (format!("{lib} {}", text("index")), text("params").to_owned());
        return Curve { name, params, is_ours: false, points: Vec::new() };
    }
    let params = fields.iter().filter(|(name, _)| !MEASURED.contains(&name.as_str()));
    let params = params.map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    });
    let params = params.collect::<Vec<_>>().join(" ");
    Curve { name: lib.to_owned(), params, is_ours: false, points: Vec::new() }
}

/// Adds a point to the curve of that name, which is made if there is none.
pub(super) fn add(curves: &mut Vec<Curve>, of: Curve, point: Point) {
    let same = |curve: &&mut Curve| (&curve.name, &curve.params) == (&of.name, &of.params);
    match curves.iter_mut().find(same) {
        Some(curve) => curve.points.push(point),
        None => curves.push(Curve { points: vec![point], ..of }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(f64, f64)]) -> Curve {
        let points = points.iter().map(|(recall, qps)| Point { recall: *recall, qps: *qps });
        Curve { name: "a".into(), params: String::new(), is_ours: true, points: points.collect() }
    }

    #[test]
    fn between_points_the_logarithm_is_straight() {
        let curve = curve(&[(0.8, 10_000.0), (0.9, 1_000.0), (0.95, 2_000.0), (1.0, 20.0)]);
        let check = |recall: f64, expected: Option<f64>| {
            let found = curve.qps_at(recall);
            let is_near = match (found, expected) {
                (Some(found), Some(expected)) => (found / expected - 1.0).abs() < 1e-9,
                (found, expected) => found == expected,
            };
            assert!(is_near, "{found:?} at {recall}");
        };
        check(0.5, Some(10_000.0));
        check(0.8, Some(10_000.0));
        // 0.9 is beaten by 0.95 in both.
        check(0.875, Some(20_000_000.0_f64.sqrt()));
        check(0.975, Some(200.0));
        check(1.0, Some(20.0));
        check(1.01, None);
    }

    #[test]
    fn lines_of_others_become_curves() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("peers.jsonl");
        let read = |text: &str| {
            #[expect(clippy::disallowed_methods, reason = "a test's input, not data")]
            std::fs::write(&path, text).expect("written");
            read(&path).map_err(|error| error.to_string())
        };
        let curves = read(concat!(
            r#"{"lib":"hnswlib","M":16,"efc":200,"ef":16,"recall":0.9,"qps":9000.0,"build_s":2.0,"mem_mb":7}"#,
            "\n",
            r#"{"lib":"usearch","error":"ModuleNotFoundError()"}"#,
            "\n\n",
            r#"{"lib":"hnswlib","M":16,"efc":200,"ef":32,"recall":0.95,"qps":5000.0,"build_s":2.0,"mem_mb":7}"#,
            "\n",
            r#"{"lib":"vicinal","index":"HNSW","params":"m=8","ef":32,"recall":0.95,"qps":5000.0}"#,
        ));
        let curves = curves.expect("right lines");
        let names: Vec<_> = curves.iter().map(|curve| (&*curve.name, &*curve.params)).collect();
        assert_eq!(names, [("hnswlib", "M=16 efc=200"), ("vicinal HNSW", "m=8")]);
        assert_eq!(curves[0].points.len(), 2);
        assert!(curves[0].is_reference() && !curves[1].is_reference());
        let check = |text: &str, expected: &str| {
            let reason = read(text).expect_err("wrong");
            assert!(reason.contains(expected), "{reason}");
        };
        check("nonsense", "line 1: no JSON object");
        check("\n{\"ef\":1}", "line 2: it names no `lib`");
        check("{\"lib\":\"a\",\"qps\":1}", "line 1: it has no number `recall`");
    }
}
