//! `vicinal bench ann`: indexes in process.

mod cold;
mod data;
mod mask;
mod parameters;
mod passes;
mod plot;
mod report;
mod resident;
mod saved;

use super::curve::{self, Curve, Point, Task};
use crate::commands::import::{parse_element, parse_metric};
use crate::failure::Failure;
use crate::output;
use data::Data;
pub(super) use data::stored;
use parameters::NamedIndex;
use passes::{Measured, Searched, Segment};
use report::Line;
use resident::Resident;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vicinal_client::{ElementType, Metric};
use vicinal_index::{Index, IndexParams, Progress, Vectors};
use vicinal_planner::EffortUnit;
use vicinal_types::{Bitmap, Cancel, Clock as _, SystemClock};

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal bench ann --base base.npy --query query.npy --truth truth.npy --metric l2
  vicinal bench ann --base base.npy --hold-out 1000 --metric cosine --index HNSW,m=32 --index HNSW,engine=hnsw_rs --effort 16,32,64
  vicinal bench ann --base base.npy --query query.npy --metric l2 --index IVF_PQ,lists=4096,bits=4 --index FLAT --threads 2 --json
  vicinal bench ann --base base.npy --query query.npy --metric l2 --index FLAT --batch 16
  vicinal bench ann --base base.npy --query query.npy --metric l2 --index HNSW --save built --load built --compare peers.jsonl --plot ann.svg
  vicinal bench ann --base base.npy --query query.npy --metric l2 --index HNSW,layout=paged --save built --load built --cold
  vicinal bench ann --base bits.npy --query query.npy --metric jaccard --element binary

--index takes a kind (AUTO, FLAT, IVF_FLAT, IVF_SQ8, IVF_PQ, IVF_RABITQ, SCANN, HNSW)
and the parameters that configs/collection.yaml explains: m, ef_construction (or efc),
codes, layout, lists, pq_bits (or bits), pq_subvectors (or subvectors), objective,
engine, flat_below_rows; seed is that of the build.

Recall counts rows that are no farther than the last true neighbour. Lines of --json
are what --compare, --plot and `vicinal bench table` read.";

/// Candidates of a graph when no effort is named: those of the peers' script.
const CANDIDATES: [usize; 9] = [16, 24, 32, 48, 64, 96, 128, 200, 320];

/// Lists probed when no effort is named.
const LISTS: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The rows: .npy of u8, f16 or f32; for --element binary u8 of eight bits each.
    #[arg(long, value_name = "FILE")]
    base: PathBuf,

    /// The queries: .npy like that of the rows.
    #[arg(long, value_name = "FILE")]
    query: Option<PathBuf>,

    /// Take so many rows out of the base as queries, always the same ones.
    #[arg(long, value_name = "N", conflicts_with_all = ["query", "truth"])]
    hold_out: Option<usize>,

    /// The true neighbours of each query, nearest first: .npy of i32. Without it they are computed.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,

    /// How vectors are compared.
    #[arg(long, value_parser = parse_metric, value_name = "l2|ip|cosine|hamming|jaccard")]
    metric: Metric,

    /// An index with its parameters; may be given several times.
    #[arg(long, value_parser = parameters::parse, default_value = "AUTO", value_name = "KIND[,KEY=VALUE]…")]
    index: Vec<NamedIndex>,

    /// Neighbours wanted.
    #[arg(long, short, default_value_t = 10)]
    k: usize,

    /// Candidates kept (graphs) or lists probed (IVF, SCANN); a line of results each.
    #[arg(long, value_delimiter = ',', value_name = "N,…")]
    effort: Vec<usize>,

    /// Threads that search; 1: every query is timed alone.
    #[arg(long, default_value_t = 1, value_name = "N")]
    threads: usize,

    /// Queries handed over together; only FLAT answers many for less than one by one.
    #[arg(long, default_value_t = 1, value_name = "N", conflicts_with = "threads")]
    batch: usize,

    /// Only this share of the rows may be found, as if a filter had said so.
    #[arg(long, value_parser = parse_share, conflicts_with_all = ["truth", "cold"], value_name = "SHARE")]
    passing: Option<f64>,

    /// These are rows near each other instead of rows strewn over all.
    #[arg(long, requires = "passing")]
    clumped: bool,

    /// Cut the rows into so many segments with an index each, searched one after another.
    #[arg(long, default_value_t = 1, value_name = "N", conflicts_with_all = ["cold", "batch"])]
    segments: usize,

    /// Search each segment as if there were no others.
    #[arg(long, requires = "segments")]
    apart: bool,

    /// Passes over all queries; the fastest counts.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    passes: u32,

    /// Threads that build; 0: one per core.
    #[arg(long, default_value_t = 0, value_name = "N")]
    build_threads: usize,

    /// How the rows are stored.
    #[arg(long, value_parser = parse_element, default_value = "f32", value_name = "f32|f16|bf16|u8|binary")]
    element: ElementType,

    /// Keep built indexes in this directory.
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,

    /// Take indexes from this directory instead of building them, if they are there.
    #[arg(long, value_name = "DIR")]
    load: Option<PathBuf>,

    /// Before every query, take the pages of the index out of memory; tell how many it
    /// read from disk. For --index HNSW,layout=paged with --save; one thread, one pass.
    #[arg(long, requires = "save", conflicts_with_all = ["threads", "passes"])]
    cold: bool,

    /// What others measured on the same data, a JSON object a line; compare with them.
    /// May be given several times; lines about other data or queries are passed over.
    #[arg(long, value_name = "FILE")]
    compare: Vec<PathBuf>,

    /// Draw recall against queries per second.
    #[arg(long, value_name = "FILE.svg", value_parser = parse_plot)]
    plot: Option<PathBuf>,

    /// The data's name in the plot [default: that of the base's file].
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// Print JSON: one line for each index and effort.
    #[arg(long)]
    json: bool,
}

fn parse_plot(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("svg")) {
        return Ok(path);
    }
    Err("plots are SVG: give a name that ends in .svg, and convert the file if need be".into())
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| "a share is above 0, and at most 1".to_owned())
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if args.effort.contains(&0) || args.threads == 0 || args.batch == 0 || args.segments == 0 {
        return Err(Failure::new("--effort, --threads, --batch and --segments are at least 1"));
    }
    let mut others = curve::read(&args.compare)?;
    let build_pool = pool(args.build_threads)?;
    let data = Data::read(args, &build_pool)?;
    let (rows, kind) = (data.vectors.len(), data.vectors.vector_type());
    let resolve = |index: &NamedIndex| index.resolve(u64::from(rows), kind);
    let indexes: Vec<_> =
        args.index.iter().map(resolve).collect::<Result<_, _>>().map_err(Failure::new)?;
    if let Some(params) = indexes.iter().find(|params| !Index::takes_many(params))
        && args.batch > 1
    {
        return Err(Failure::new(format!(
            "--batch {}: {params} answers queries one by one; use --index FLAT, or leave --batch out",
            args.batch
        )));
    }
    let search_pool = pool(args.threads)?;
    let mut lines = Vec::new();
    for params in indexes {
        measure(args, &data, params, (&build_pool, &search_pool), &mut lines)?;
    }
    if !args.json {
        report::print_lines(&lines, args.k)?;
    }
    let mut curves = Vec::new();
    let task = Task { data: title(args), queries: queries_name(args) };
    for Line { index, params, recall, qps, .. } in &lines {
        let (name, params, task) = (index.clone(), params.clone(), task.clone());
        let of = Curve { task, name, params, is_ours: true, ..Curve::default() };
        curve::add(&mut curves, of, Point { recall: *recall, qps: *qps });
    }
    others.retain(|other| other.task.agrees(&task));
    curves.extend(others);
    if !args.compare.is_empty() && !args.json {
        output::line("")?;
        report::print_comparison(&curves)?;
    }
    if let Some(path) = &args.plot {
        let threads = args.threads;
        let figure = plot::Figure { title: title(args), rows, kind, k: args.k, threads };
        let svg = figure.draw(&curves);
        #[expect(clippy::disallowed_methods, reason = "a picture for people, not data")]
        std::fs::write(path, svg).map_err(|error| Failure::file(path, error))?;
        output::note(format_args!("drawn: {}", path.display()));
    }
    Ok(())
}

/// The data's name: that of `sift1m.base.npy` is `sift1m`.
fn title(args: &Args) -> String {
    let of_file = || stem(&args.base).split(".base").next().unwrap_or_default().to_owned();
    args.name.clone().unwrap_or_else(of_file)
}

/// The name of the queries: that of `sift1m.held.npy` is `held`.
fn queries_name(args: &Args) -> String {
    let Some(path) = &args.query else { return "hold-out".to_owned() };
    let stem = stem(path);
    let of_data = stem.strip_prefix(&format!("{}.", title(args)));
    of_data.unwrap_or(&stem).to_owned()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Measures one index at every effort.
fn measure(
    args: &Args,
    data: &Data,
    params: IndexParams,
    (build_pool, search_pool): (&rayon::ThreadPool, &rayon::ThreadPool),
    lines: &mut Vec<Line>,
) -> Result<(), Failure> {
    let before = Resident::now()?;
    let (mut segments, mut built) = (Vec::new(), Duration::ZERO);
    for (vectors, allowed) in data.segments(args.segments) {
        let (index, took) = build(args, &vectors, params, build_pool)?;
        built += took;
        segments.push(Segment { vectors, allowed, index });
    }
    let unit = EffortUnit::of(&params);
    let (passes, batch, apart) = (args.passes, args.batch, args.apart);
    let searched = Searched { segments: &segments, apart, data, passes, batch };
    for effort in efforts(args, unit) {
        let measured = if args.cold {
            searched.measure_cold(args.k, effort)?
        } else {
            searched.measure(args.k, effort, search_pool)?
        };
        let grown = Resident::now()?.since(before);
        let line = line(args, data, (&segments, built), effort, (measured, grown));
        if args.json {
            output::json(&line)?;
        }
        lines.push(line);
    }
    Ok(())
}

fn efforts(args: &Args, unit: EffortUnit) -> Vec<usize> {
    match unit {
        EffortUnit::Nothing => vec![args.k],
        EffortUnit::Candidates | EffortUnit::Lists(_) if !args.effort.is_empty() => {
            args.effort.clone()
        }
        EffortUnit::Candidates => CANDIDATES.to_vec(),
        EffortUnit::Lists(lists) => {
            LISTS.into_iter().filter(|effort| *effort <= lists as usize).collect()
        }
    }
}

fn line(
    args: &Args,
    data: &Data,
    (segments, built): (&[Segment], Duration),
    effort: usize,
    (measured, grown): (Measured, Resident),
) -> Line {
    let (params, kind) = (segments[0].index.params(), data.vectors.vector_type());
    let text = params.to_string();
    let (name, parameters) = split_name(&text);
    let unit = EffortUnit::of(&params);
    let is_lists = matches!(unit, EffortUnit::Lists(_));
    let index_bytes = segments.iter().map(|segment| segment.index.bytes()).sum::<usize>();
    let all_bytes = index_bytes + data.vectors.bytes().len();
    Line {
        lib: curve::OURS,
        index: name.to_owned(),
        params: parameters.to_owned(),
        ef: (unit == EffortUnit::Candidates).then_some(effort),
        nprobe: is_lists.then_some(effort),
        recall: rounded(measured.recall, 4),
        qps: rounded(measured.qps, 1),
        build_s: rounded(built.as_secs_f64(), 2),
        mem_mb: rounded(megabytes(all_bytes as i64), 1),
        grown_mb: rounded(megabytes(grown.anonymous), 1),
        mapped_mb: rounded(megabytes(grown.mapped), 1),
        distances: rounded(measured.distances, 1),
        expanded: rounded(measured.expanded, 1),
        pages: rounded(measured.pages, 1),
        pages_read: measured.pages_read.map(|pages| rounded(pages, 1)),
        index_bytes,
        bytes_per_row: rounded(index_bytes as f64 / f64::from(data.vectors.len()), 1),
        k: args.k,
        threads: args.threads,
        batch: args.batch,
        element: kind.element().name(),
        metric: kind.metric().name(),
        rows: data.vectors.len(),
        segments: segments.len(),
        passing: data.allowed.as_ref().map(Bitmap::count),
        dim: kind.dim(),
        data: title(args),
        queries: queries_name(args),
    }
}

fn megabytes(bytes: i64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// `hnsw_rs HNSW m=16` is `hnsw_rs HNSW` with `m=16`.
fn split_name(text: &str) -> (&str, &str) {
    let name_end = text.find('=').and_then(|at| text[..at].rfind(' ')).unwrap_or(text.len());
    (&text[..name_end], text[name_end..].trim_start())
}

fn rounded(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (number * scale).round() / scale
}

/// Builds an index, or takes the one that was kept.
fn build(
    args: &Args,
    vectors: &Vectors,
    params: IndexParams,
    pool: &rayon::ThreadPool,
) -> Result<(Index, Duration), Failure> {
    // FLAT is nothing to keep.
    let is_kept = params != IndexParams::Flat && (args.save.is_some() || args.load.is_some());
    let number = if is_kept { saved::fingerprint(&params, vectors) } else { 0 };
    if let Some(dir) = args.load.as_ref().filter(|_| is_kept) {
        if let Some(loaded) = saved::load(dir, number, &params, vectors)? {
            return Ok(loaded);
        }
        output::note(format_args!("{}: {params} is not there and is built", dir.display()));
    }
    let (progress, cancel) = (Progress::default(), Cancel::never());
    let started = SystemClock.now();
    let index = Index::build(&params, vectors, pool, &progress, &cancel)
        .map_err(|error| Failure::new(format!("{params}: {error}")))?;
    let built = SystemClock.now().saturating_duration_since(started);
    if let Some(dir) = args.save.as_ref().filter(|_| is_kept) {
        saved::save(dir, number, &params, (&index, built))?;
        if let Some(saved) = args.cold.then(|| saved::load(dir, number, &params, vectors)) {
            return saved?.ok_or_else(|| Failure::file(dir, "what was saved is gone"));
        }
    }
    Ok((index, built))
}

fn pool(threads: usize) -> Result<rayon::ThreadPool, Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| Failure::new(format!("cannot start threads: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_named_apart_from_its_parameters() {
        let check = |text, expected| assert_eq!(split_name(text), expected);
        check("FLAT", ("FLAT", ""));
        check("HNSW m=16 ef_construction=128", ("HNSW", "m=16 ef_construction=128"));
        check("hnsw_rs HNSW m=16", ("hnsw_rs HNSW", "m=16"));
    }
}
