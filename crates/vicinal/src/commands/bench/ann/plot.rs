//! Recall against queries per second as a picture (SVG).
//!
//! Recall runs towards 1 on a stretched axis, because that is where indexes
//! differ; queries per second are on a logarithmic one. What was measured in this
//! run is solid, what others measured is dashed. The legend stands beside the
//! plot, fastest first, so that no label covers a line.

mod axes;
mod style;

use crate::commands::bench::curve::{Curve, Point};
use crate::output;
use axes::{Across, Up};
use std::fmt::Write as _;
use style::Style;
use vicinal_client::VectorType;

/// Pixels of the picture.
const WIDTH: f64 = 1_120.0;
const HEIGHT_MIN: f64 = 640.0;

/// Pixels around the plot: the legend is at the right.
const LEFT: f64 = 84.0;
const RIGHT: f64 = 330.0;
const TOP: f64 = 104.0;
const BOTTOM: f64 = 72.0;

/// Pixels of the legend's lines.
const ENTRY: f64 = 36.0;
const HEADING: f64 = 26.0;

/// The recall at which the legend is ordered.
const LEGEND_RECALL: f64 = 0.95;

/// What the picture is about.
pub(super) struct Figure {
    /// The data's name.
    pub(super) title: String,
    pub(super) rows: u32,
    pub(super) kind: VectorType,
    pub(super) k: usize,
    pub(super) threads: usize,
}

/// A curve as it is drawn.
struct Drawn<'a> {
    curve: &'a Curve,
    style: Style,
    qps: Option<f64>,
}

impl Figure {
    /// The whole picture.
    pub(super) fn draw(&self, curves: &[Curve]) -> String {
        let drawn = styled(curves);
        let height = HEIGHT_MIN.max(TOP + BOTTOM + legend_height(&drawn));
        let (right, bottom) = (WIDTH - RIGHT, height - BOTTOM);
        let across = Across::new(curves, LEFT, right);
        let up = Up::new(curves, across.least(), TOP, bottom);
        let mut svg = header(height, right, bottom);
        self.captions(&mut svg);
        axes::draw(&mut svg, &across, &up);
        let caption = format!("recall@{}", self.k);
        let (middle, below) = (f64::midpoint(LEFT, right), bottom + 48.0);
        text(&mut svg, (middle, below), "axis", "middle", &caption);
        svg.push_str("<g clip-path=\"url(#plot)\">\n");
        // Ours last, so that they lie on top.
        for drawn in drawn.iter().rev() {
            draw_curve(&mut svg, drawn, &across, &up);
        }
        svg.push_str("</g>\n");
        legend(&mut svg, &drawn, right + 28.0);
        svg.push_str("</svg>\n");
        svg
    }

    fn captions(&self, svg: &mut String) {
        text(svg, (LEFT, 38.0), "title", "start", &self.title);
        let threads = match self.threads {
            1 => "1 thread".to_owned(),
            threads => format!("{threads} threads"),
        };
        let rows = output::count(u64::from(self.rows));
        let (dim, element, metric) = (self.kind.dim(), self.kind.element(), self.kind.metric());
        let what = format!(
            "{rows} × {dim} {element}, {metric} · queries one by one · {threads} · {}",
            processor()
        );
        text(svg, (LEFT, 62.0), "subtitle", "start", &what);
        text(svg, (LEFT - 60.0, TOP - 12.0), "axis", "start", "queries/s");
    }
}

/// The processor's name, or what kind it is.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = text.lines().find(|line| line.starts_with("model name"));
    let name = named.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim());
    name.unwrap_or(std::env::consts::ARCH).to_owned()
}

/// Ours first, then by speed.
fn styled(curves: &[Curve]) -> Vec<Drawn<'_>> {
    let speed = |curve: &Curve| {
        let last = curve.points.iter().map(|point| point.recall).fold(0.0, f64::max);
        curve.qps_at(LEGEND_RECALL.min(last)).unwrap_or(0.0)
    };
    let mut sorted: Vec<_> = curves.iter().filter(|curve| !curve.points.is_empty()).collect();
    sorted.sort_by(|a, b| b.is_ours.cmp(&a.is_ours).then(speed(b).total_cmp(&speed(a))));
    let mut counts = [0, 0];
    let mut drawn = Vec::new();
    for curve in sorted {
        let count = &mut counts[usize::from(curve.is_ours)];
        let style = Style::new(curve.is_ours, *count);
        *count += 1;
        drawn.push(Drawn { curve, style, qps: curve.qps_at(LEGEND_RECALL) });
    }
    drawn
}

fn header(height: f64, right: f64, bottom: f64) -> String {
    // A mark on the edge is whole.
    let (width, inner_width, inner_height) = (WIDTH, right - LEFT + 8.0, bottom - TOP);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <style>\n{}</style>\n\
         <clipPath id=\"plot\"><rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{inner_width}\" height=\"{inner_height}\"/></clipPath>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
        style::SHEET
    )
}

/// A line of text with a class and an anchor.
fn text(svg: &mut String, (x, y): (f64, f64), class: &str, anchor: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    write_to(
        svg,
        format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\" text-anchor=\"{anchor}\">{content}</text>\n"
        ),
    );
}

fn write_to(svg: &mut String, arguments: std::fmt::Arguments<'_>) {
    svg.write_fmt(arguments).expect("a string takes all text");
}

fn draw_curve(svg: &mut String, drawn: &Drawn<'_>, across: &Across, up: &Up) {
    let mut points = drawn.curve.points.clone();
    points.sort_by(|a, b| a.recall.total_cmp(&b.recall).then(b.qps.total_cmp(&a.qps)));
    let place = |point: &Point| (across.place(point.recall), up.place(point.qps));
    let places: Vec<_> = points.iter().map(place).collect();
    let path: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let Style { color, width, dashes, .. } = drawn.style;
    write_to(
        svg,
        format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\" stroke-linejoin=\"round\" stroke-linecap=\"round\" stroke-dasharray=\"{dashes}\"/>\n",
            path.join(" ")
        ),
    );
    for place in places {
        drawn.style.marker(svg, place);
    }
}

fn legend_height(drawn: &[Drawn<'_>]) -> f64 {
    drawn.len() as f64 * ENTRY + 2.0 * HEADING + 16.0
}

fn legend(svg: &mut String, drawn: &[Drawn<'_>], x: f64) {
    let mut y = TOP + 4.0;
    for (is_ours, heading) in [(true, "Vicinal"), (false, "Others")] {
        let of_group = || drawn.iter().filter(|drawn| drawn.curve.is_ours == is_ours);
        if of_group().next().is_none() {
            continue;
        }
        text(svg, (x, y), "heading", "start", heading);
        text(svg, (WIDTH - 24.0, y), "small", "end", "queries/s at 0.95");
        y += HEADING;
        for drawn in of_group() {
            let Style { color, width, dashes, .. } = drawn.style;
            let (end, middle) = (x + 34.0, y - 5.0);
            write_to(
                svg,
                format_args!(
                    "<line x1=\"{x}\" y1=\"{middle}\" x2=\"{end}\" y2=\"{middle}\" stroke=\"{color}\" stroke-width=\"{width}\" stroke-linecap=\"round\" stroke-dasharray=\"{dashes}\"/>\n"
                ),
            );
            drawn.style.marker(svg, (x + 17.0, middle));
            text(svg, (x + 44.0, y), "name", "start", &drawn.curve.name);
            text(svg, (x + 44.0, y + 14.0), "small", "start", &shortened(&drawn.curve.params));
            let qps = drawn.qps.map_or_else(|| "–".to_owned(), grouped);
            text(svg, (WIDTH - 24.0, y), "number", "end", &qps);
            y += ENTRY;
        }
        y += 16.0;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive and far below 2^64"
)]
fn grouped(qps: f64) -> String {
    output::count(qps.round() as u64)
}

/// What the legend has room for.
fn shortened(params: &str) -> String {
    const ROOM: usize = 44;
    if params.chars().count() <= ROOM {
        return params.to_owned();
    }
    params.chars().take(ROOM - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vicinal_client::{ElementType, Metric};

    fn curve(name: &str, is_ours: bool, points: &[(f64, f64)]) -> Curve {
        let points = points.iter().map(|(recall, qps)| Point { recall: *recall, qps: *qps });
        let (name, params) = (name.to_owned(), "m=16".to_owned());
        Curve { name, params, is_ours, points: points.collect(), ..Curve::default() }
    }

    #[test]
    fn every_curve_is_drawn_and_named_once() {
        let kind = VectorType::new(128, ElementType::F32, Metric::L2).expect("a right type");
        let title = "a < b".to_owned();
        let figure = Figure { title, rows: 1_000_000, kind, k: 10, threads: 2 };
        let curves = [
            curve("hnswlib", false, &[(0.91, 9_000.0), (0.99, 2_000.0)]),
            curve("HNSW", true, &[(0.9, 20_000.0), (0.98, 6_000.0), (1.0, 900.0)]),
            curve("FLAT", true, &[(1.0, 60.0)]),
        ];
        let svg = figure.draw(&curves);
        assert_eq!(svg.matches("<polyline").count(), 3);
        for (name, count) in [("hnswlib<", 1), (">HNSW<", 1), ("a &lt; b", 1), ("2 threads", 1)] {
            assert_eq!(svg.matches(name).count(), count, "{name}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(figure.draw(&[]).ends_with("</svg>\n"));
    }
}
