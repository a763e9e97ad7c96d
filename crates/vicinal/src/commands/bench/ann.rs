//! `vicinal bench ann`: one index in process.

mod parameters;
mod passes;

use crate::commands::import::{parse_element, parse_metric};
use crate::failure::Failure;
use crate::output;
use crate::source::npy::{self, Matrix};
use bytes::Bytes;
use half::{bf16, f16};
use parameters::NamedIndex;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vicinal_client::{ElementType, Metric, VectorType};
use vicinal_index::{Index, IndexParams, Progress, Vectors};
use vicinal_types::{Cancel, Clock as _, SystemClock};

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal bench ann --base base.npy --query query.npy --truth truth.npy --metric l2 --index HNSW,m=16 --k 10 --effort 16,32,64
  vicinal bench ann --base base.npy --query query.npy --truth truth.npy --metric cosine --index FLAT --json
  vicinal bench ann --base base.npy --query query.npy --truth truth.npy --metric l2 --index HNSW,m=16,ef_construction=200 --threads 2 --element f16";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The rows: .npy of u8, f16 or f32.
    #[arg(long, value_name = "FILE")]
    base: PathBuf,

    /// The queries: .npy of u8, f16 or f32.
    #[arg(long, value_name = "FILE")]
    query: PathBuf,

    /// The true neighbours of each query, nearest first: .npy of i32.
    #[arg(long, value_name = "FILE")]
    truth: PathBuf,

    /// How vectors are compared.
    #[arg(long, value_parser = parse_metric, value_name = "l2|ip|cosine")]
    metric: Metric,

    /// The index with its parameters: FLAT, or HNSW[,m=16][,ef_construction=128][,seed=1].
    #[arg(long, value_parser = parameters::parse, value_name = "KIND[,KEY=N]")]
    index: NamedIndex,

    /// Neighbours wanted.
    #[arg(long, short, default_value_t = 10)]
    k: usize,

    /// Candidates kept while searching, one line of results for each.
    #[arg(long, value_delimiter = ',', default_value = "16,32,64,128", value_name = "N,…")]
    effort: Vec<usize>,

    /// Threads that search; 1: every query is timed alone.
    #[arg(long, default_value_t = 1, value_name = "N")]
    threads: usize,

    /// Threads that build; 0: one per core.
    #[arg(long, default_value_t = 0, value_name = "N")]
    build_threads: usize,

    /// How the rows are stored.
    #[arg(long, value_parser = parse_element, default_value = "f32", value_name = "f32|f16|bf16|u8")]
    element: ElementType,

    /// Print JSON: one line for each effort.
    #[arg(long)]
    json: bool,
}

/// One line of results.
#[derive(Clone, Debug, Serialize)]
struct Line<'a> {
    index: &'a str,
    params: &'a str,
    effort: usize,
    recall: f64,
    qps: f64,
    build_s: f64,
    bytes: usize,
    k: usize,
    threads: usize,
    element: &'a str,
    rows: usize,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let base = npy::read_f32(&args.base)?;
    let queries = npy::read_f32(&args.query)?;
    let truth = npy::read_i32(&args.truth)?;
    check(args, &base, &queries, &truth)?;
    let vectors = stored(&args.base, &base, args)?;
    let queries_stored = stored(&args.query, &queries, args)?;
    let rows = base.rows;
    drop(base);

    let (index, built) = build(args, &vectors)?;
    let truth = passes::true_keys(&vectors, &queries_stored, &truth, args.k);
    let pool = pool(args.threads)?;
    for &effort in &args.effort {
        let search =
            passes::Searched { index: &index, vectors: &vectors, queries: &queries_stored };
        let result = search.measure(args.k, effort, &truth, &pool)?;
        print(
            args.json,
            &Line {
                index: args.index.kind(),
                params: &args.index.params_text(),
                effort,
                recall: result.recall,
                qps: result.qps,
                build_s: built.as_secs_f64(),
                bytes: index.bytes(),
                k: args.k,
                threads: args.threads,
                element: args.element.name(),
                rows,
            },
        )?;
    }
    Ok(())
}

fn check(
    args: &Args,
    base: &Matrix<f32>,
    queries: &Matrix<f32>,
    truth: &Matrix<i32>,
) -> Result<(), Failure> {
    let wrong = |path: &Path, reason: String| Err(Failure::file(path, reason));
    if base.dim != queries.dim {
        let (found, expected) = (queries.dim, base.dim);
        let reason = format!("queries have {found} dimensions, the rows {expected}");
        return wrong(&args.query, reason);
    }
    if truth.rows != queries.rows {
        let (found, expected) = (truth.rows, queries.rows);
        return wrong(&args.truth, format!("{found} lists of neighbours for {expected} queries"));
    }
    if args.k == 0 || args.k > truth.dim {
        let (k, known) = (args.k, truth.dim);
        return wrong(
            &args.truth,
            format!("it has {known} neighbours a query; k {k} is not between 1 and that"),
        );
    }
    let is_row = |row: &i32| usize::try_from(*row).is_ok_and(|row| row < base.rows);
    if let Some(stray) = truth.values.iter().find(|row| !is_row(row)) {
        let rows = base.rows;
        return wrong(&args.truth, format!("neighbour {stray} is none of the {rows} rows"));
    }
    if args.effort.contains(&0) || args.threads == 0 {
        return Err(Failure::new("--effort and --threads are at least 1"));
    }
    Ok(())
}

fn build(args: &Args, vectors: &Vectors) -> Result<(Index, Duration), Failure> {
    let params: &IndexParams = args.index.params();
    let pool = pool(args.build_threads)?;
    let (progress, cancel) = (Progress::default(), Cancel::never());
    let started = SystemClock.now();
    let index = Index::build(params, vectors, &pool, &progress, &cancel)
        .map_err(|error| Failure::new(error.to_string()))?;
    Ok((index, SystemClock.now().saturating_duration_since(started)))
}

fn pool(threads: usize) -> Result<rayon::ThreadPool, Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| Failure::new(format!("cannot start threads: {error}")))
}

/// The matrix as a column stores it: cosine at unit length, in the element type.
fn stored(path: &Path, matrix: &Matrix<f32>, args: &Args) -> Result<Vectors, Failure> {
    let dim = u32::try_from(matrix.dim).unwrap_or(u32::MAX);
    let kind = VectorType::new(dim, args.element, args.metric)?;
    let mut bytes = Vec::with_capacity(matrix.rows * kind.row_bytes());
    for row in matrix.values.chunks_exact(matrix.dim) {
        let scale = if args.metric == Metric::Cosine { unit_scale(path, row)? } else { 1.0 };
        encode(path, row, scale, args.element, &mut bytes)?;
    }
    Vectors::new(kind, Bytes::from(bytes)).map_err(|error| Failure::file(path, error))
}

fn unit_scale(path: &Path, row: &[f32]) -> Result<f32, Failure> {
    let square: f64 = row.iter().map(|value| f64::from(*value).powi(2)).sum();
    if square == 0.0 {
        return Err(Failure::file(path, "a vector is zero, which has no cosine with any other"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "vectors are stored as 32-bit floats")]
    let scale = (1.0 / square.sqrt()) as f32;
    Ok(scale)
}

fn encode(
    path: &Path,
    row: &[f32],
    scale: f32,
    element: ElementType,
    bytes: &mut Vec<u8>,
) -> Result<(), Failure> {
    for value in row.iter().map(|value| value * scale) {
        match element {
            ElementType::F32 => bytes.extend(value.to_le_bytes()),
            ElementType::F16 => bytes.extend(f16::from_f32(value).to_le_bytes()),
            ElementType::Bf16 => bytes.extend(bf16::from_f32(value).to_le_bytes()),
            ElementType::U8 if value.fract() == 0.0 && (0.0..=255.0).contains(&value) => {
                #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
                bytes.push(value as u8);
            }
            ElementType::U8 | ElementType::I8 | ElementType::Binary => {
                return Err(Failure::file(path, format!("{value} does not fit into {element}")));
            }
        }
    }
    Ok(())
}

fn print(as_json: bool, line: &Line<'_>) -> Result<(), Failure> {
    if as_json {
        return output::json(line);
    }
    let Line { index, params, effort, recall, qps, build_s, bytes, .. } = line;
    let params = if params.is_empty() { "-" } else { params };
    output::line(format_args!(
        "index {index}  params {params}  effort {effort:>4}  recall {recall:.4}  qps {qps:>8.0}  build_s {build_s:.1}  bytes {bytes}"
    ))
}

#[cfg(test)]
mod tests;
