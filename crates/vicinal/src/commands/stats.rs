//! `vicinal stats`.

use crate::connection::{Connection, block_on};
use crate::failure::Failure;
use crate::output::{self, Align, Grid};
use serde_json::{Map, json};
use vicinal_client::proto::{CollectionStats, LogStats, MemoryStats, NumaNode, StatsResponse};

pub(crate) const EXAMPLES: &str = "\
Examples:
  vicinal stats
  vicinal stats --json";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    block_on(async {
        let stats = args.connection.connect().await?.stats().await?;
        if args.json { print_json(&stats) } else { print_tables(&stats) }
    })
}

/// What the components add up to.
fn accounted(memory: &MemoryStats) -> u64 {
    memory.components.iter().map(|component| component.bytes).sum()
}

fn print_json(stats: &StatsResponse) -> Result<(), Failure> {
    let memory = stats.memory.clone().unwrap_or_default();
    let log = stats.log.clone().unwrap_or_default();
    let components = memory.components.iter();
    let components: Map<_, _> =
        components.map(|component| (component.name.clone(), component.bytes.into())).collect();
    let collections = stats.collections.iter().map(|of| {
        json!({
            "database": of.database, "collection": of.collection, "rows": of.rows,
            "growing_segments": of.growing_segments, "frozen_segments": of.frozen_segments,
            "sealed_segments": of.sealed_segments, "indexed_segments": of.indexed_segments,
            "file_bytes": of.file_bytes, "memory_bytes": of.memory_bytes,
            "log_bytes": of.log_bytes, "space": space_json(of),
        })
    });
    output::json(&json!({
        "version": stats.version,
        "uptime_s": stats.uptime_s,
        "isa": stats.isa,
        "cpu_us": stats.cpu_us,
        "memory": {
            "components": components,
            "accounted_bytes": accounted(&memory),
            "limit_bytes": memory.limit_bytes,
            "process_anonymous_bytes": memory.process_anonymous_bytes,
            "process_mapped_bytes": memory.process_mapped_bytes,
        },
        "log": {
            "files": log.files, "bytes": log.bytes, "entries": log.entries,
            "syncs": log.syncs, "failure": log.failure,
        },
        "numa_nodes": stats.numa_nodes.iter().map(node_json).collect::<Vec<_>>(),
        "collections": collections.collect::<Vec<_>>(),
    }))
}

fn node_json(node: &NumaNode) -> serde_json::Value {
    json!({
        "number": node.number, "cores": node.cores, "search_threads": node.search_threads,
        "segments": node.segments, "segment_bytes": node.segment_bytes,
        "local_searches": node.local_searches, "remote_searches": node.remote_searches,
        "remote_share": remote_share(node),
    })
}

/// The part of a node's searches that read another's memory; none before the first.
fn remote_share(node: &NumaNode) -> Option<f64> {
    let all = node.local_searches + node.remote_searches;
    (all > 0).then(|| node.remote_searches as f64 / all as f64)
}

fn space_json(of: &CollectionStats) -> serde_json::Value {
    let space = of.space.clone().unwrap_or_default();
    json!({
        "live_bytes": space.live_bytes, "deleted_bytes": space.deleted_bytes,
        "removal_bytes": space.removal_bytes, "merges_running": space.merges_running,
        "merges_queued": space.merges_queued, "outlook": space.outlook,
    })
}

fn print_tables(stats: &StatsResponse) -> Result<(), Failure> {
    let StatsResponse { version, isa, .. } = stats;
    let up = indicatif::HumanDuration(std::time::Duration::from_secs(stats.uptime_s));
    let cpu_s = stats.cpu_us as f64 / 1e6;
    output::line(format_args!("vicinal {version}, {isa} kernels, up {up}, {cpu_s:.1} s of CPU"))?;
    output::line("")?;
    print_memory(&stats.memory.clone().unwrap_or_default())?;
    output::line("")?;
    print_log(&stats.log.clone().unwrap_or_default())?;
    if stats.numa_nodes.len() > 1 {
        output::line("")?;
        print_nodes(&stats.numa_nodes)?;
    }
    if stats.collections.is_empty() {
        return Ok(());
    }
    output::line("")?;
    print_collections(&stats.collections)
}

fn print_memory(memory: &MemoryStats) -> Result<(), Failure> {
    let mut grid =
        Grid::new(&[("memory", Align::Left), ("bytes", Align::Right), ("", Align::Right)]);
    let mut row = |name: &str, bytes: u64| {
        grid.row([name.to_owned(), bytes.to_string(), output::bytes(bytes)]);
    };
    for component in &memory.components {
        row(&component.name, component.bytes);
    }
    row("= accounted", accounted(memory));
    row("of at most", memory.limit_bytes);
    row("anonymous, says the system", memory.process_anonymous_bytes);
    row("mapped files, apart", memory.process_mapped_bytes);
    grid.print()
}

fn print_log(log: &LogStats) -> Result<(), Failure> {
    let LogStats { files, entries, syncs, .. } = log;
    let bytes = output::bytes(log.bytes);
    output::line(format_args!("log: {files} files, {bytes}, {entries} entries, {syncs} syncs"))?;
    if log.failure.is_empty() {
        return Ok(());
    }
    output::line(format_args!(
        "the log failed, writes are refused until a restart: {}",
        log.failure
    ))
}

fn print_nodes(nodes: &[NumaNode]) -> Result<(), Failure> {
    let mut grid = Grid::new(&[
        ("NUMA node", Align::Left),
        ("cores", Align::Right),
        ("threads", Align::Right),
        ("segments", Align::Right),
        ("rows' bytes", Align::Right),
        ("searches", Align::Right),
        ("of others' memory", Align::Right),
    ]);
    for node in nodes {
        grid.row([
            node.number.to_string(),
            node.cores.len().to_string(),
            node.search_threads.to_string(),
            node.segments.to_string(),
            output::bytes(node.segment_bytes),
            output::count(node.local_searches + node.remote_searches),
            remote_share(node).map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share)),
        ]);
    }
    grid.print()
}

fn print_collections(collections: &[CollectionStats]) -> Result<(), Failure> {
    let mut grid = Grid::new(&[
        ("collection", Align::Left),
        ("rows", Align::Right),
        ("growing", Align::Right),
        ("frozen", Align::Right),
        ("sealed", Align::Right),
        ("indexed", Align::Right),
        ("files", Align::Right),
        ("memory", Align::Right),
        ("to come back", Align::Left),
    ]);
    for of in collections {
        grid.row([
            format!("{}/{}", of.database, of.collection),
            output::count(of.rows),
            of.growing_segments.to_string(),
            of.frozen_segments.to_string(),
            of.sealed_segments.to_string(),
            of.indexed_segments.to_string(),
            output::bytes(of.file_bytes),
            output::bytes(of.memory_bytes),
            of.space.clone().unwrap_or_default().outlook,
        ]);
    }
    grid.print()
}
