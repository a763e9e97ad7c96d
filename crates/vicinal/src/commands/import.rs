//! `vicinal import`.

mod declare;
mod load;

pub(crate) use load::{Loaded, Options, Upsert, load};

use crate::connection::{Target, block_on};
use crate::failure::Failure;
use crate::filter::ConditionArgs;
use crate::output;
use crate::source::Source;
use serde_json::json;
use std::path::PathBuf;
use vicinal_client::{ElementType, Metric};

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal import -c words --metric cosine words.parquet
  vicinal import -c sift --metric l2 sift1m.base.u8.npy        u8 becomes f32
  vicinal import -c sift --metric l2 --element u8 base.bvecs
  vicinal import -c hashes --metric jaccard --element binary bits.npy
  vicinal import -c words --metric cosine --columns rows.parquet vectors.npy
  vicinal import -c words --limit 1000 --wait-indexed --json words.parquet
  vicinal import -c words --upsert --if 'version < {v}' --param v=3 words.parquet

Row ids come from the column `id` of a .parquet file, else they are row numbers.
Run the same command again after an interruption: rows that are there are skipped, or
with --upsert replaced.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,

    /// The file: .parquet with a list column of f16, f32, f64 or u8; .npy of u8,
    /// f16 or f32; .fvecs; .bvecs.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Ids and scalar columns of the same rows, in the same order: a .parquet file.
    #[arg(long, value_name = "FILE")]
    columns: Option<PathBuf>,

    /// How vectors are compared, when the collection is made: l2 if not said.
    #[arg(long, value_parser = parse_metric, value_name = "l2|ip|cosine|hamming|jaccard")]
    metric: Option<Metric>,

    /// How vectors are stored, when the collection is made: as in the file if not
    /// said, but u8 of .npy and .bvecs as f32. For binary the file has u8 of eight
    /// bits each.
    #[arg(long, value_parser = parse_element, value_name = "f32|f16|bf16|u8|binary")]
    element: Option<ElementType>,

    /// Rows of a batch; as many as make 2 MiB if not said.
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch_rows: Option<u32>,

    /// Batches on their way at the same time.
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    in_flight: u32,

    /// Rows a second; as many as the server takes if not said. Batches should be
    /// small then: `--batch-rows 100`.
    #[arg(long, value_name = "ROWS_PER_S", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    /// Only the first rows of the file.
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,

    /// Replace rows whose ids exist; they stay as they are if not said.
    #[arg(long)]
    upsert: bool,

    #[command(flatten)]
    condition: ConditionArgs,

    /// With --upsert: leave out rows whose ids are new.
    #[arg(long, requires = "upsert")]
    existing_only: bool,

    /// Return only when every row is in a segment with its index.
    #[arg(long)]
    wait_indexed: bool,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut source = Source::open(&args.file)?;
    if let Some(path) = &args.columns {
        source = source.with_columns_of(path)?;
    }
    let condition = args.condition.filter()?;
    let upsert = Upsert { condition, existing_only: args.existing_only };
    let options = Options {
        upsert: args.upsert.then_some(upsert),
        metric: args.metric,
        element: args.element,
        batch_rows: args.batch_rows.map(|rows| rows as usize),
        in_flight: args.in_flight as usize,
        rows_max: args.limit,
        rate: args.rate,
        wait_indexed: args.wait_indexed,
    };
    block_on(async {
        let client = args.target.connection.connect().await?;
        let loaded = load(&client, &args.target.collection, source, options).await?;
        print(&loaded, args.json)
    })
}

fn print(loaded: &Loaded, as_json: bool) -> Result<(), Failure> {
    if as_json {
        let mut object = json!({
            "rows": loaded.rows,
            "seconds": loaded.seconds,
            "rows_per_s": loaded.rows_per_s(),
            "already_there": loaded.already_there,
            "replaced": loaded.replaced,
            "left_out": loaded.left_out,
        });
        if let Some(seconds) = loaded.indexed_s {
            object["indexed_s"] = seconds.into();
        }
        return output::json(&object);
    }
    let (rows, seconds, rate) = (loaded.rows, loaded.seconds, loaded.rows_per_s());
    let mut line = format!("rows {rows}  seconds {seconds:.2}  rows_per_s {rate:.0}");
    let others = [
        ("already_there", loaded.already_there),
        ("replaced", loaded.replaced),
        ("left_out", loaded.left_out),
    ];
    for (name, count) in others.into_iter().filter(|(_, count)| *count > 0) {
        line.push_str(&format!("  {name} {count}"));
    }
    if let Some(seconds) = loaded.indexed_s {
        line.push_str(&format!("  indexed_s {seconds:.2}"));
    }
    output::line(line)
}

/// A metric by its name.
pub(crate) fn parse_metric(text: &str) -> Result<Metric, String> {
    let known =
        [Metric::L2, Metric::InnerProduct, Metric::Cosine, Metric::Hamming, Metric::Jaccard];
    let found = known.into_iter().find(|metric| metric.name() == text);
    found.ok_or_else(|| "it is l2, ip, cosine, hamming or jaccard".to_owned())
}

/// An element type that a file's numbers go into.
pub(crate) fn parse_element(text: &str) -> Result<ElementType, String> {
    let known = [
        ElementType::F32,
        ElementType::F16,
        ElementType::Bf16,
        ElementType::U8,
        ElementType::Binary,
    ];
    let found = known.into_iter().find(|element| element.name() == text);
    found.ok_or_else(|| "it is f32, f16, bf16, u8 or binary".to_owned())
}
