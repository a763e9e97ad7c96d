//! Colours, dashes and markers, told apart by people who see fewer colours too.

use super::write_to;

/// Fonts and greys.
pub(super) const SHEET: &str = "\
text { font-family: Inter, 'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif; fill: #24292f; }
.title { font-size: 22px; font-weight: 600; }
.subtitle { font-size: 13px; fill: #57606a; }
.axis { font-size: 13px; fill: #57606a; }
.tick { font-size: 12px; fill: #57606a; }
.heading { font-size: 13px; font-weight: 600; fill: #57606a; }
.name { font-size: 14px; font-weight: 500; }
.number { font-size: 14px; font-weight: 600; }
.small { font-size: 11px; fill: #6e7781; }
";

/// Of Okabe and Ito: bright, for what was measured in this run.
const OURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#24292f"];

/// Of Tol's muted scheme, for others.
const OTHERS: [&str; 9] = [
    "#882255", "#44aa99", "#999933", "#332288", "#cc6677", "#117733", "#6699cc", "#aa4499",
    "#888888",
];

/// The ways that others' lines are broken.
const DASHES: [&str; 3] = ["7 5", "2 5", "10 4 2 4"];

/// How a curve looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) color: &'static str,
    pub(super) width: f64,
    /// Empty: solid.
    pub(super) dashes: &'static str,
    shape: usize,
    is_filled: bool,
}

impl Style {
    /// The look of the `number`-th of our curves, or of the others.
    pub(super) fn new(is_ours: bool, number: usize) -> Self {
        if is_ours {
            let color = OURS[number % OURS.len()];
            return Self { color, width: 2.6, dashes: "", shape: number, is_filled: true };
        }
        Self {
            color: OTHERS[number % OTHERS.len()],
            width: 1.8,
            dashes: DASHES[number % DASHES.len()],
            shape: number,
            is_filled: false,
        }
    }

    /// A mark at a point.
    pub(super) fn marker(&self, svg: &mut String, (x, y): (f64, f64)) {
        let color = self.color;
        let (fill, stroke) = if self.is_filled { (color, "#ffffff") } else { ("#ffffff", color) };
        let paint = format!("fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"1.4\"");
        let size = if self.is_filled { 4.8 } else { 3.6 };
        let polygon = |corners: &[(f64, f64)]| {
            let points = corners.iter();
            let points = points.map(|(a, b)| format!("{:.1},{:.1}", x + a * size, y + b * size));
            let points = points.collect::<Vec<_>>().join(" ");
            format!("<polygon points=\"{points}\" {paint}/>\n")
        };
        let shape = match self.shape % 5 {
            0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{size}\" {paint}/>\n"),
            1 => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
            2 => polygon(&[(0.0, -1.25), (1.15, 0.8), (-1.15, 0.8)]),
            3 => polygon(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
            _ => polygon(&[(0.0, 1.25), (1.15, -0.8), (-1.15, -0.8)]),
        };
        write_to(svg, format_args!("{shape}"));
    }
}
