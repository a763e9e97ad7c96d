//! What is measured when somebody asks: rows, segments, the log, memory.
//!
//! Written straight from the engine's figures instead of through the recorder,
//! so that a dropped collection leaves no series behind.

use crate::grpc::Node;
use crate::process::{self, ProcessMemory};
use std::fmt::Display;
use std::fmt::Write as _;
use vicinal_engine::{AdmissionStats, CollectionStats, LogFigures, NodeStats, Stats};
use vicinal_types::Result;

/// The text of all gauges.
///
/// # Errors
/// [`Internal`](vicinal_types::ErrorKind::Internal) if the operating system
/// does not say what the process uses.
pub(crate) fn gauges(node: &Node) -> Result<String> {
    let stats = node.engine.stats();
    let mut text = Text::default();
    collections(&mut text, &stats.collections);
    log(&mut text, &stats.log);
    search_buffers(&mut text, &stats);
    admission(&mut text, stats.admission);
    numa(&mut text, &stats.nodes);
    process(&mut text, process::memory()?);
    text.family("vicinal_memory_bytes", "Accounted memory by component.");
    for (name, bytes) in &stats.memory {
        text.sample(format_args!("component=\"{}\"", escape(name)), bytes);
    }
    text.one("vicinal_memory_limit_bytes", "Memory that there may be.", stats.memory_limit);
    text.one("vicinal_memory_used_bytes", "Accounted memory, all components.", stats.memory_used);
    text.family("vicinal_collection_memory_bytes", "Memory of each collection.");
    for of in &stats.collections {
        text.sample(labels(of), of.memory_bytes);
    }
    let uptime = node.clock.now().saturating_duration_since(node.started);
    text.one("vicinal_uptime_seconds", "Seconds since the server started.", uptime.as_secs());
    text.family("vicinal_info", "The server's version and instruction set.");
    let (version, isa) = (env!("CARGO_PKG_VERSION"), process::isa());
    text.sample(format_args!("version=\"{version}\",isa=\"{isa}\""), 1);
    Ok(text.text)
}

fn collections(text: &mut Text, collections: &[CollectionStats]) {
    text.family("vicinal_rows", "Rows that a search can find.");
    for of in collections {
        text.sample(labels(of), of.rows);
    }
    text.family("vicinal_segments", "Segments by state; indexed ones are sealed, too.");
    for of in collections {
        let states = [
            ("growing", of.growing_segments),
            ("frozen", of.frozen_segments),
            ("sealed", of.sealed_segments),
            ("indexed", of.indexed_segments),
        ];
        for (state, count) in states {
            text.sample(format_args!("{},state=\"{state}\"", labels(of)), count);
        }
    }
    type Value = fn(&CollectionStats) -> u64;
    let families: [(&'static str, &str, Value); 5] = [
        ("vicinal_segment_file_bytes", "Bytes of segment and index files.", |of| of.file_bytes),
        ("vicinal_flush_backlog_bytes", "Bytes of writes not flushed yet.", |of| of.log_bytes),
        (
            "vicinal_deleted_bytes",
            "Bytes of files that deleted rows and dropped columns hold.",
            |of| of.space.deleted_bytes,
        ),
        ("vicinal_removal_bytes", "Bytes of removed files that searches read.", |of| {
            of.space.removal_bytes
        }),
        ("vicinal_compactions_queued", "Merges of segments that run or wait.", |of| {
            of.space.merges_running + of.space.merges_queued
        }),
    ];
    for (name, help, value) in families {
        text.family(name, help);
        for of in collections {
            text.sample(labels(of), value(of));
        }
    }
}

fn log(text: &mut Text, log: &LogFigures) {
    text.one("vicinal_log_files", "Files of the log.", log.files);
    text.one("vicinal_log_bytes", "Bytes of the log's files.", log.bytes);
    text.one("vicinal_log_entries", "Entries of the log that are still needed.", log.entries);
    text.one("vicinal_log_syncs_total", "fsyncs of the log since start.", log.syncs);
    let failed = u8::from(log.failure.is_some());
    text.one("vicinal_log_failed", "1 if the log failed and writes are refused.", failed);
}

fn search_buffers(text: &mut Text, stats: &Stats) {
    let all = stats.scratch;
    text.one("vicinal_search_buffers_taken_total", "Buffers that searches took.", all.taken);
    text.one("vicinal_search_buffers_returned_total", "Buffers given back and kept.", all.returned);
    text.one("vicinal_search_buffers_missed_total", "Buffers that were allocated.", all.missed);
    text.one("vicinal_search_buffers_free_bytes", "Bytes of free buffers.", all.free_bytes);
}

fn admission(text: &mut Text, admission: AdmissionStats) {
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    text.one("vicinal_searches_waiting", "Searches that wait for a thread.", admission.waiting);
    text.one(
        "vicinal_search_predicted_seconds",
        "Processor time that searches which wait or run on the search threads should take.",
        seconds(admission.nanos),
    );
    text.one(
        "vicinal_search_predicted_limit_seconds",
        "Processor time that they may take.",
        seconds(admission.limit_nanos),
    );
    text.one("vicinal_searches_refused_total", "Searches refused.", admission.refused);
}

/// What lies on each NUMA node, and from where it is searched; with one node there is
/// nothing to tell.
fn numa(text: &mut Text, nodes: &[NodeStats]) {
    if nodes.len() < 2 {
        return;
    }
    text.family("vicinal_numa_segment_bytes", "Bytes of segments by NUMA node.");
    for node in nodes {
        text.sample(format_args!("node=\"{}\"", node.number), node.bytes);
    }
    text.family("vicinal_numa_searches_total", "Searches of segments by the searching node.");
    for node in nodes {
        let counts = [("local", node.local_searches), ("remote", node.remote_searches)];
        for (memory, count) in counts {
            text.sample(format_args!("node=\"{}\",memory=\"{memory}\"", node.number), count);
        }
    }
}

fn process(text: &mut Text, memory: ProcessMemory) {
    let ProcessMemory { anonymous_bytes, mapped_bytes, large_page_bytes } = memory;
    text.one("vicinal_process_anonymous_bytes", "Anonymous memory.", anonymous_bytes);
    text.one("vicinal_process_mapped_bytes", "File-backed memory.", mapped_bytes);
    if let Some(bytes) = large_page_bytes {
        text.one("vicinal_process_large_page_bytes", "Anonymous, in large pages.", bytes);
    }
    let cpu = process::cpu_time().as_secs_f64();
    text.one("vicinal_process_cpu_seconds_total", "CPU time, user and system.", cpu);
}

/// Prometheus text.
#[derive(Default)]
struct Text {
    text: String,
    /// The family that samples belong to.
    name: &'static str,
}

impl Text {
    /// Begins a family; counters are those whose name says so.
    fn family(&mut self, name: &'static str, help: &str) {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        self.name = name;
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, labels: impl Display, value: impl Display) {
        let name = self.name;
        self.line(format_args!("{name}{{{labels}}} {value}\n"));
    }

    /// A family of one sample without labels.
    fn one(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, help);
        self.line(format_args!("{name} {value}\n"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        self.text.write_fmt(line).expect("a String takes everything");
    }
}

fn labels(of: &CollectionStats) -> String {
    let (database, collection) = (escape(&of.database), escape(&of.collection));
    format!("database=\"{database}\",collection=\"{collection}\"")
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
