//! `vicinal describe`.

use crate::connection::{Target, block_on};
use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use serde_json::json;
use vicinal_client::proto::{
    CalibrationPoint, CollectionSpec, DescribeCollectionResponse, IdType, ScalarColumn,
    SegmentDescription, SegmentIndex, SegmentState, VectorColumn,
};
use vicinal_client::{
    ColumnIndex, ScalarType, column_index, default_value, index_spec, scalar_type, vector_type,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal describe -c words
  vicinal describe -c words --json";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let described = args.target.connect().await?.describe().await?;
        if args.json { print_json(&described) } else { print_tables(&described) }
    })
}

/// The lower-case name behind a message's enum: `ELEMENT_TYPE_F16` is `f16`.
fn short(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_ascii_lowercase()
}

/// The metric by the name that flags and declarations use.
fn metric(column: &VectorColumn) -> &'static str {
    vector_type(column).map_or("unknown", |kind| kind.metric().name())
}

/// The type of a scalar column by the name that declarations use.
fn scalar_name(column: &ScalarColumn) -> &'static str {
    scalar_type(column).map_or("unknown", ScalarType::name)
}

/// The index that was declared for a scalar column.
fn declared_index(column: &ScalarColumn) -> &'static str {
    column_index(column).map_or("unknown", ColumnIndex::name)
}

fn state(segment: &SegmentDescription) -> String {
    match segment.state() {
        SegmentState::Unspecified => "unknown",
        SegmentState::Growing => "growing",
        SegmentState::Frozen => "frozen",
        SegmentState::Sealed => "sealed",
    }
    .to_owned()
}

/// The index that was declared, with the parameters that have an effect.
fn declared(column: &VectorColumn) -> String {
    index_spec(column).map_or_else(|_| "unknown".to_owned(), |index| index.to_string())
}

fn print_json(described: &DescribeCollectionResponse) -> Result<(), Failure> {
    let spec = described.spec.clone().unwrap_or_default();
    let vectors = spec.vectors.iter().map(|column| {
        json!({
            "name": column.name,
            "dimension": column.dimension,
            "element": short(column.element().as_str_name(), "ELEMENT_TYPE_"),
            "metric": metric(column),
            "index": declared(column),
        })
    });
    let columns = spec.columns.iter().map(|column| {
        json!({
            "name": column.name,
            "type": scalar_name(column),
            "nullable": column.nullable,
            "default": default_value(column),
            "index": declared_index(column),
        })
    });
    let indexes = |segment: &SegmentDescription| {
        let indexes = segment.indexes.iter().map(|index| {
            let pair = |point: &CalibrationPoint| json!([point.effort, point.recall]);
            let curve = index.calibration.iter().map(pair);
            let live = index.live_calibration.iter().map(pair);
            json!({
                "column": index.column, "index": index.index, "building": index.building,
                "progress": index.progress, "bytes": index.bytes, "reason": index.reason,
                "calibration": curve.collect::<Vec<_>>(),
                "live_queries": index.live_queries,
                "live_calibration": live.collect::<Vec<_>>(),
            })
        });
        indexes.collect::<Vec<_>>()
    };
    let segments = described.segments.iter().map(|segment| {
        json!({
            "shard": segment.shard, "segment": segment.segment, "state": state(segment),
            "rows": segment.rows, "deleted_rows": segment.deleted_rows, "bytes": segment.bytes,
            "indexes": indexes(segment),
        })
    });
    output::json(&json!({
        "collection": spec.name,
        "collection_id": described.collection_id,
        "id_type": short(spec.id_type().as_str_name(), "ID_TYPE_"),
        "rows": described.rows,
        "fully_indexed": described.fully_indexed,
        "log_bytes": described.log_bytes,
        "aliases": described.aliases,
        "vectors": vectors.collect::<Vec<_>>(),
        "columns": columns.collect::<Vec<_>>(),
        "ttl": spec.ttl.as_ref().map(|ttl| json!({ "column": ttl.column })),
        "segments": segments.collect::<Vec<_>>(),
    }))
}

fn print_tables(described: &DescribeCollectionResponse) -> Result<(), Failure> {
    let spec = described.spec.clone().unwrap_or_default();
    let indexed = if described.fully_indexed { "fully indexed" } else { "being indexed" };
    output::line(format_args!(
        "collection {}  (number {}, {} rows, {indexed}, {} of log)",
        spec.name,
        described.collection_id,
        output::count(described.rows),
        output::bytes(described.log_bytes),
    ))?;
    if !described.aliases.is_empty() {
        output::line(format_args!("aliases    {}", described.aliases.join(" ")))?;
    }
    if let Some(ttl) = &spec.ttl {
        output::line(format_args!("ttl        rows expire at their {}", ttl.column))?;
    }
    output::line("")?;
    print_columns(&spec)?;
    if described.segments.is_empty() {
        return Ok(());
    }
    output::line("")?;
    print_segments(&described.segments)?;
    print_calibration(&described.segments)
}

fn print_columns(spec: &CollectionSpec) -> Result<(), Failure> {
    let columns = [("column", Align::Left), ("type", Align::Left), ("index", Align::Left)];
    let mut grid = Grid::new(&columns);
    let id = if spec.id_type() == IdType::String { "string" } else { "int64" };
    grid.row(["id".to_owned(), id.to_owned(), String::new()]);
    for column in &spec.vectors {
        let element = short(column.element().as_str_name(), "ELEMENT_TYPE_");
        let kind = format!("{element} × {}, {}", column.dimension, metric(column));
        grid.row([column.name.clone(), kind, declared(column)]);
    }
    for column in &spec.columns {
        let kind = scalar_name(column);
        let nullable = if column.nullable { ", nullable" } else { "" };
        let default = default_value(column);
        let default = default.map_or_else(String::new, |value| format!(", default {value}"));
        let kind = format!("{kind}{nullable}{default}");
        grid.row([column.name.clone(), kind, declared_index(column).to_owned()]);
    }
    grid.print()
}

fn print_segments(segments: &[SegmentDescription]) -> Result<(), Failure> {
    let mut grid = Grid::new(&[
        ("segment", Align::Right),
        ("state", Align::Left),
        ("rows", Align::Right),
        ("deleted", Align::Right),
        ("bytes", Align::Right),
        ("column", Align::Left),
        ("index", Align::Left),
        ("index bytes", Align::Right),
        ("why", Align::Left),
    ]);
    for segment in segments {
        let none = SegmentIndex::default();
        let indexes = if segment.indexes.is_empty() { &[none][..] } else { &segment.indexes };
        for index in indexes {
            let searched = if index.building.is_empty() {
                index.index.clone()
            } else {
                let percent = index.progress * 100.0;
                format!("{} → {} {percent:.0} %", index.index, index.building)
            };
            grid.row([
                format!("{}.{}", segment.shard, segment.segment),
                state(segment),
                output::count(segment.rows),
                output::count(segment.deleted_rows),
                output::bytes(segment.bytes),
                index.column.clone(),
                searched,
                output::bytes(index.bytes),
                index.reason.clone(),
            ]);
        }
    }
    grid.print()
}

/// recall@10 by effort, as measured when the indexes were built and, where users' queries
/// were asked again since, of both together.
fn print_calibration(segments: &[SegmentDescription]) -> Result<(), Failure> {
    let calibrated = segments.iter().flat_map(|segment| {
        let indexes = segment.indexes.iter().filter(|index| !index.calibration.is_empty());
        indexes.map(move |index| (segment, index))
    });
    let mut calibrated = calibrated.peekable();
    if calibrated.peek().is_none() {
        return Ok(());
    }
    output::line("")?;
    let columns = [
        ("segment", Align::Right),
        ("column", Align::Left),
        ("of", Align::Left),
        ("recall@10 by effort", Align::Left),
    ];
    let mut grid = Grid::new(&columns);
    for (segment, index) in calibrated {
        let mut row = |of: String, points: &[CalibrationPoint]| {
            let points =
                points.iter().map(|point| format!("{}: {:.3}", point.effort, point.recall));
            let segment = format!("{}.{}", segment.shard, segment.segment);
            grid.row([segment, index.column.clone(), of, points.collect::<Vec<_>>().join("  ")]);
        };
        row("rows".to_owned(), &index.calibration);
        if index.live_queries > 0 {
            row(format!("{} queries", index.live_queries), &index.live_calibration);
        }
    }
    grid.print()
}
