//! `vicinal bench profile`: what the vectors of a file are like.

use super::ann::stored;
use crate::commands::import::{parse_element, parse_metric};
use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use crate::source::npy;
use serde_json::{Value, json};
use std::path::PathBuf;
use vicinal_client::{ElementType, Metric};
use vicinal_index::{Spread, VectorProfile, profile};
use vicinal_types::Cancel;

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal bench profile --base base.npy --metric cosine
  vicinal bench profile --base base.npy --metric l2 --element u8 --json

It looks at up to 4,096 rows. Distances are Euclidean, of vectors as they are stored:
at unit length for cosine. A low intrinsic dimension, a high contrast and clustering make
an index find much for little; a contrast near 1 says that nothing is near. Code errors
are parts of a row's squared length around the mean of all.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The rows: .npy of u8, f16 or f32; for --element binary u8 of eight bits each.
    #[arg(long, value_name = "FILE")]
    base: PathBuf,

    /// How vectors are compared.
    #[arg(long, value_parser = parse_metric, value_name = "l2|ip|cosine|hamming|jaccard")]
    metric: Metric,

    /// How the rows are stored.
    #[arg(long, value_parser = parse_element, default_value = "f32", value_name = "f32|f16|bf16|u8|binary")]
    element: ElementType,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let base = npy::read_f32(&args.base)?;
    let vectors = stored(&args.base, &base, args.element, args.metric)?;
    drop(base);
    let found = profile(&vectors, &Cancel::never());
    let found = found.map_err(|stopped| Failure::new(stopped.to_string()))?;
    let dim = vectors.vector_type().dim();
    if args.json { output::json(&in_json(&found, dim)) } else { table(&found, dim) }
}

fn in_json(found: &VectorProfile, dim: usize) -> Value {
    let spread = |of: Spread| json!({"least": of.least, "mean": of.mean, "greatest": of.greatest});
    json!({
        "rows": found.rows,
        "dim": dim,
        "sampled": found.sampled,
        "duplicates": found.duplicates,
        "zeros": found.zeros,
        "norms": spread(found.norms),
        "deviations": spread(found.deviations),
        "correlation": found.correlation,
        "effective_dims": found.effective_dims,
        "intrinsic_dim": found.neighborhood.map(|near| near.intrinsic_dim),
        "contrast": found.neighborhood.map(|near| near.contrast),
        "clustering": found.neighborhood.map(|near| near.clustering),
        "code_errors": found.codes.map(|codes| json!({
            "sq8": codes.sq8,
            "sq4": codes.sq4,
            "rabitq1": codes.rabitq1,
            "rabitq4": codes.rabitq4,
        })),
    })
}

fn table(found: &VectorProfile, dim: usize) -> Result<(), Failure> {
    let percent = |part: f32| format!("{:.2} %", part * 100.0);
    let spread = |of: Spread| format!("{:.4}, from {:.4} to {:.4}", of.mean, of.least, of.greatest);
    let rows = output::count(u64::from(found.rows));
    let sampled = output::count(u64::from(found.sampled));
    let mut lines = vec![
        ("rows × dimensions", format!("{rows} × {dim}")),
        ("looked at", format!("{sampled} rows")),
        ("equal to an earlier one of these", percent(found.duplicates)),
        ("numbers that are zero", percent(found.zeros)),
        ("length", spread(found.norms)),
        ("deviation of a dimension", spread(found.deviations)),
        ("correlation of dimensions", format!("{:.3}", found.correlation)),
        ("effective dimensions", format!("{:.1}", found.effective_dims)),
    ];
    if let Some(near) = found.neighborhood {
        lines.extend([
            ("intrinsic dimension around a row", format!("{:.1}", near.intrinsic_dim)),
            ("contrast: all / nearest distance", format!("{:.2}", near.contrast)),
            ("clustering, 0.5 to 1", format!("{:.3}", near.clustering)),
        ]);
    }
    if let Some(codes) = found.codes {
        lines.extend([
            ("error of sq8", percent(codes.sq8)),
            ("error of sq4", percent(codes.sq4)),
            ("error of rabitq, 1 bit", percent(codes.rabitq1)),
            ("error of rabitq, 4 bits", percent(codes.rabitq4)),
        ]);
    }
    let mut grid = Grid::new(&[("vectors", Align::Left), ("", Align::Left)]);
    lines.into_iter().for_each(|(what, value)| grid.row([what.to_owned(), value]));
    grid.print()
}
