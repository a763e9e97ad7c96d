//! Recall against queries per second, of our indexes and of others.

use crate::failure::Failure;
use crate::output;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Fields of a line that say how it was searched, on what, and what was measured;
/// all others are parameters of the build.
const MEASURED: [&str; 17] = [
    "lib",
    "index",
    "params",
    "ef",
    "nprobe",
    "k_factor",
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
    "queries",
];

/// The library that others are compared with.
const REFERENCE: &str = "hnswlib";

/// One effort of one index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) recall: f64,
    pub(crate) qps: f64,
}

/// What was searched for what; empty where a line does not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Task {
    /// `sift1m`.
    pub(crate) data: String,
    /// Which of the data's sets of queries.
    pub(crate) queries: String,
}

/// An index at growing efforts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Curve {
    pub(crate) task: Task,
    /// `HNSW`, `hnswlib`.
    pub(crate) name: String,
    /// `m=16 ef_construction=128`.
    pub(crate) params: String,
    /// Whether it was measured in this run.
    pub(crate) is_ours: bool,
    /// Seconds that the build took.
    pub(crate) build_s: Option<f64>,
    /// Megabytes of the index and the rows.
    pub(crate) mem_mb: Option<f64>,
    /// In the order of measurement.
    pub(crate) points: Vec<Point>,
}

impl Task {
    /// Whether the two may be about the same: what one does not say is no
    /// contradiction.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        let agree = |a: &str, b: &str| a.is_empty() || b.is_empty() || a == b;
        agree(&self.data, &other.data) && agree(&self.queries, &other.queries)
    }
}

/// The name of our own lines.
pub(crate) const OURS: &str = "vicinal";

impl Curve {
    /// Whether it is an index of vicinal's own, not one that a foreign engine built.
    pub(crate) fn is_native(&self) -> bool {
        let kind = self.name.strip_prefix(OURS).and_then(|rest| rest.strip_prefix(' '));
        kind.is_some_and(|kind| !kind.contains(' '))
    }

    /// Whether it is what others are compared with.
    pub(crate) fn is_reference(&self) -> bool {
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
    pub(crate) fn qps_at(&self, recall: f64) -> Option<f64> {
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
pub(crate) fn fastest<'a>(curves: impl Iterator<Item = &'a Curve>, recall: f64) -> Option<f64> {
    curves.filter_map(|curve| curve.qps_at(recall)).max_by(f64::total_cmp)
}

/// Reads what was measured: one JSON object a line, as `--json` and the peers'
/// scripts print them; other text, such as what a library says while it builds, is
/// passed over. A line without a recall says what a build took, for the lines that
/// do not say it themselves. Lines that report an error are skipped with a note.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Curve>, Failure> {
    let (mut curves, mut builds) = (Vec::new(), Vec::new());
    for path in paths {
        read_one(path, &mut curves, &mut builds)?;
    }
    add_builds(&mut curves, &builds);
    Ok(curves)
}

fn read_one(path: &Path, curves: &mut Vec<Curve>, builds: &mut Vec<Curve>) -> Result<(), Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| line.starts_with('{')) {
        let wrong = |reason: String| Failure::file(path, format!("line {number}: {reason}"));
        let fields: Map<String, Value> = serde_json::from_str(line)
            .map_err(|error| wrong(format!("no JSON object: {error}")))?;
        let lib = fields.get("lib").and_then(Value::as_str);
        let lib = lib.ok_or_else(|| wrong("it names no `lib`".into()))?;
        if let Some(error) = fields.get("error").or_else(|| fields.get("failed")) {
            let name = path.display();
            output::note(format_args!("{name}: line {number}: {lib} is left out: {error}"));
            continue;
        }
        let number = |name: &str| fields.get(name).and_then(Value::as_f64);
        let curve = described(lib, &fields);
        match (number("recall"), number("qps")) {
            (Some(recall), Some(qps)) => add(curves, curve, Point { recall, qps }),
            (None, None) if curve.build_s.is_some() => builds.push(curve),
            (None, _) => return Err(wrong("it has no number `recall`".into())),
            (_, None) => return Err(wrong("it has no number `qps`".into())),
        }
    }
    Ok(())
}

/// What lines about builds say goes to the curves of those indexes.
fn add_builds(curves: &mut [Curve], builds: &[Curve]) {
    for curve in curves.iter_mut().filter(|curve| curve.build_s.is_none()) {
        let same = |build: &&Curve| {
            build.task.agrees(&curve.task)
                && (&build.name, &build.params) == (&curve.name, &curve.params)
        };
        curve.build_s = builds.iter().rev().find(same).and_then(|build| build.build_s);
    }
}

/// The curve that a line belongs to, without points.
fn described(lib: &str, fields: &Map<String, Value>) -> Curve {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| fields.get(name).and_then(Value::as_f64);
    let task = Task { data: text("data").to_owned(), queries: text("queries").to_owned() };
    let (build_s, mem_mb) = (number("build_s"), number("mem_mb"));
    let curve = Curve { task, build_s, mem_mb, ..Curve::default() };
    if !text("index").is_empty() {
        let (name, params) = (format!("{lib} {}", text("index")), text("params").to_owned());
        return Curve { name, params, ..curve };
    }
    let params = fields.iter().filter(|(name, _)| !MEASURED.contains(&name.as_str()));
    let params = params.map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    });
    let params = params.collect::<Vec<_>>().join(" ");
    Curve { name: lib.to_owned(), params, ..curve }
}

/// Adds a point to the curve of that name, which is made if there is none.
pub(crate) fn add(curves: &mut Vec<Curve>, of: Curve, point: Point) {
    let same = |curve: &&mut Curve| {
        (&curve.task, &curve.name, &curve.params) == (&of.task, &of.name, &of.params)
    };
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
        Curve { name: "a".into(), is_ours: true, points: points.collect(), ..Curve::default() }
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
            read(std::slice::from_ref(&path)).map_err(|error| error.to_string())
        };
        let curves = read(concat!(
            r#"{"lib":"hnswlib","M":16,"efc":200,"ef":16,"recall":0.9,"qps":9000.0,"build_s":2.0,"mem_mb":7}"#,
            "\n",
            r#"{"lib":"usearch","error":"ModuleNotFoundError()"}"#,
            "\n\n",
            r#"{"lib":"symqg","failed":true}"#,
            "\n",
            r#"{"lib":"hnswlib","M":16,"efc":200,"ef":32,"recall":0.95,"qps":5000.0,"build_s":2.0,"mem_mb":7}"#,
            "\n",
            r#"{"lib":"vicinal","index":"HNSW","params":"m=8","ef":32,"recall":0.95,"qps":5000.0}"#,
            "\n",
            r#"{"lib":"vicinal","index":"HNSW","params":"m=8","build_s":3.5}"#,
        ));
        let curves = curves.expect("right lines");
        let names: Vec<_> = curves.iter().map(|curve| (&*curve.name, &*curve.params)).collect();
        assert_eq!(names, [("hnswlib", "M=16 efc=200"), ("vicinal HNSW", "m=8")]);
        assert_eq!(curves[0].points.len(), 2);
        assert_eq!((curves[0].build_s, curves[1].build_s), (Some(2.0), Some(3.5)));
        assert!(curves[0].is_reference() && !curves[1].is_reference());
        let check = |text: &str, expected: &str| {
            let reason = read(text).expect_err("wrong");
            assert!(reason.contains(expected), "{reason}");
        };
        check("{nonsense", "line 1: no JSON object");
        check("\n{\"ef\":1}", "line 2: it names no `lib`");
        check("{\"lib\":\"a\",\"qps\":1}", "line 1: it has no number `recall`");
        check("{\"lib\":\"a\",\"recall\":1}", "line 1: it has no number `qps`");
    }

    #[test]
    fn only_what_two_tasks_say_can_contradict() {
        let task = |data: &str, queries: &str| Task { data: data.into(), queries: queries.into() };
        let check = |a: Task, b: Task, expected| {
            assert_eq!((a.agrees(&b), b.agrees(&a)), (expected, expected), "{a:?} {b:?}");
        };
        check(task("sift1m", "held"), task("sift1m", "held"), true);
        check(task("sift1m", "held"), task("sift1m", ""), true);
        check(task("sift1m", "held"), task("", ""), true);
        check(task("sift1m", "held"), task("sift1m", "official"), false);
        check(task("sift1m", ""), task("glove50", "held"), false);
    }
}
