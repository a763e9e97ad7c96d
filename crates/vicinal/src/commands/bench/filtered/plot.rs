//! Rates under filters as a picture (SVG): how many rows pass to the right, the rate
//! over that without a filter upwards, recall beside each point.

use super::Line;
use crate::output;
use std::fmt::Write as _;

/// Pixels of the picture, and around the plot.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 560.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = 72.0;

/// The least part of the rows that has a place of its own.
const LEAST: f64 = 0.0005;

/// Parts of the rows that have a tick.
const TICKS: [f64; 8] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 1.0];

/// The ratio that no filter should fall below.
const WANTED: f64 = 0.5;

/// The whole picture.
pub(super) fn draw(lines: &[Line]) -> String {
    let most = lines.iter().map(|line| line.ratio).fold(1.0, f64::max) * 1.1;
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let x = |part: f64| {
        let along = (part.max(LEAST) / LEAST).ln() / (1.0 / LEAST).ln();
        LEFT + (right - LEFT) * along
    };
    let y = |ratio: f64| bottom - (bottom - TOP) * ratio / most;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" font-family=\"Inter, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"12\" fill=\"#57606a\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    captions(&mut svg, lines);
    for tick in TICKS {
        let label = format!("{} %", tick * 100.0);
        rule(&mut svg, (x(tick), TOP), (x(tick), bottom), "#e6e9ed");
        text(&mut svg, (x(tick), bottom + 22.0), "middle", &label);
    }
    for tick in (0..=20).map(|tick| f64::from(tick) * 0.25).filter(|tick| *tick <= most) {
        let color = if tick == WANTED { "#d55e00" } else { "#e6e9ed" };
        rule(&mut svg, (LEFT, y(tick)), (right, y(tick)), color);
        text(&mut svg, (LEFT - 10.0, y(tick) + 4.0), "end", &format!("{tick:.2}"));
    }
    let below = (f64::midpoint(LEFT, right), bottom + 48.0);
    text(&mut svg, below, "middle", "rows that pass");
    let mut points: Vec<_> = lines.iter().filter(|line| !line.filter.is_empty()).collect();
    points.sort_by(|a, b| a.selectivity.total_cmp(&b.selectivity));
    for (at, line) in points.into_iter().enumerate() {
        let (x, y) = (x(line.selectivity), y(line.ratio));
        put(
            &mut svg,
            format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"#0072b2\" stroke=\"#ffffff\" stroke-width=\"1.4\"/>\n"
            ),
        );
        // Neighbours' labels stand above and below in turn.
        let offset = if at % 2 == 0 { -12.0 } else { 22.0 };
        let label = format!("{} ({:.3})", line.name, line.recall);
        text(&mut svg, (x, y + offset), "middle", &label);
    }
    svg.push_str("</svg>\n");
    svg
}

fn captions(svg: &mut String, lines: &[Line]) {
    let Some(unfiltered) = lines.first() else { return };
    let rows = output::count(unfiltered.passing_rows);
    let (k, clients) = (unfiltered.k, unfiltered.clients);
    put(
        svg,
        format_args!(
            "<text x=\"{LEFT}\" y=\"34\" font-size=\"20\" font-weight=\"600\" fill=\"#24292f\">Filtered search</text>\n"
        ),
    );
    let what = format!(
        "rate over that without a filter, {:.0} queries/s at recall {:.3} · {rows} rows · k {k} · {clients} clients over gRPC · (recall)",
        unfiltered.qps, unfiltered.recall
    );
    text(svg, (LEFT, 58.0), "start", &what);
}

fn rule(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), color: &str) {
    put(
        svg,
        format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{color}\"/>\n"
        ),
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    put(
        svg,
        format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{content}</text>\n"),
    );
}

fn put(svg: &mut String, arguments: std::fmt::Arguments<'_>) {
    svg.write_fmt(arguments).expect("a string takes all text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_is_a_point_with_its_name() {
        let line = |name: &str, filter: &str, selectivity, ratio| Line {
            name: name.to_owned(),
            filter: filter.to_owned(),
            passing_rows: 10,
            selectivity,
            recall: 0.97,
            qps: 1_000.0,
            ratio,
            p50_us: 1.0,
            p99_us: 2.0,
            errors: 0,
            clients: 8,
            k: 10,
        };
        let lines = [
            line("unfiltered", "", 1.0, 1.0),
            line("a<b", "a < b", 0.001, 1.7),
            line("none", "false", 0.0, 3.0),
        ];
        let svg = draw(&lines);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains("a&lt;b (0.970)") && svg.ends_with("</svg>\n"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
