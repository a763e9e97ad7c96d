//! How an engine is set up.

use crate::memory::MemoryOptions;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use vicinal_exec::Topology;
use vicinal_index::ScratchOptions;
use vicinal_planner::MachineProfile;
use vicinal_storage::Disk;
use vicinal_types::{Clock, Quotas, limits};

/// What an engine is given when it opens.
#[derive(Clone)]
pub struct EngineOptions {
    /// The file system, real or simulated.
    pub disk: Arc<dyn Disk>,
    /// The data directory; one engine at a time uses it.
    pub directory: PathBuf,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// The cores that search threads may use, by NUMA node.
    pub topology: Topology,
    /// Threads that search; 0: one for each core.
    pub search_threads: usize,
    /// Threads that build indexes, at low priority; 0: one for each core.
    pub build_threads: usize,
    /// Threads that write segment files; 0: by cores, 2 for up to 4 cores, 4 for
    /// up to 8, else 6.
    pub flush_workers: usize,
    /// Index builds, and merges, in the works at once; 0: half as many as there are
    /// threads that write segment files.
    pub build_workers: usize,
    /// Flushes, builds, merges and the like that wait, of each kind: what is beyond is
    /// asked for again by the next round.
    pub jobs_waiting_max: usize,
    /// Writes that wait for one group's log.
    pub writes_waiting_max: usize,
    /// Bytes of writes that wait for the log, of all groups.
    pub write_bytes_waiting_max: usize,
    /// Queries of one request that go over rows together.
    pub queries_together_max: usize,
    /// Whether sealed segments are merged when it is worth it, or only when
    /// [`Engine::compact`](crate::Engine::compact) asks.
    pub compaction: Compaction,
    /// Whether search threads stay on their cores.
    pub pin_threads: bool,
    /// Predicted processor time of searches that may wait for or run on the search pool,
    /// for each of its threads.
    pub searches_waiting_max: Duration,
    /// Bytes that copies of indexes in memory with large pages may take, and at
    /// most a quarter of the machine's memory; 0: none are made.
    pub hot_index_bytes: u64,
    /// Bytes that may be taken to remember which rows passed recent filters.
    pub filter_cache_bytes: u64,
    /// Buffers that each thread keeps for its searches.
    pub scratch: ScratchOptions,
    /// Bytes after which the log goes on in a new file.
    pub log_file_bytes: u64,
    /// Bytes of the whole log from which the segment that has grown longest is
    /// sealed early: it is what keeps the oldest log file needed.
    pub log_max_bytes: u64,
    /// Bytes of recent log entries kept in memory.
    pub log_cache_bytes: usize,
    /// Writes are refused while less is free on the data directory's disk.
    pub disk_reserve_bytes: u64,
    /// How much memory may be used.
    pub memory: MemoryOptions,
    /// What databases and collections may use.
    pub quotas: Quotas,
    /// What searches are planned with until
    /// [`profile_machine`](crate::Engine::profile_machine) knows better.
    pub machine: MachineProfile,
    /// Decides what is random: election timeouts, ids of a new directory.
    pub seed: u64,
}

/// When sealed segments are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compaction {
    /// In the background, as soon as it is worth its work.
    Automatic,
    /// When asked for.
    OnRequest,
}

impl EngineOptions {
    /// The defaults for a data directory.
    pub fn new(disk: Arc<dyn Disk>, directory: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self {
            disk,
            directory,
            clock,
            topology: Topology::detect(),
            search_threads: 0,
            build_threads: 0,
            flush_workers: 0,
            build_workers: 0,
            jobs_waiting_max: 1_024,
            writes_waiting_max: limits::PROPOSALS_WAITING_MAX,
            write_bytes_waiting_max: limits::PROPOSAL_BYTES_WAITING_MAX,
            queries_together_max: 64,
            compaction: Compaction::Automatic,
            pin_threads: true,
            searches_waiting_max: Duration::from_secs(2),
            hot_index_bytes: 4 * 1024 * 1024 * 1024,
            filter_cache_bytes: 64 * 1024 * 1024,
            scratch: ScratchOptions { buffers: 2, ..ScratchOptions::default() },
            log_file_bytes: 64 * 1024 * 1024,
            log_max_bytes: 1024 * 1024 * 1024,
            log_cache_bytes: 32 * 1024 * 1024,
            disk_reserve_bytes: 512 * 1024 * 1024,
            memory: MemoryOptions::default(),
            quotas: Quotas::default(),
            machine: MachineProfile::TYPICAL,
            seed: 0,
        }
    }

    pub(crate) fn build_workers(&self, cores: usize) -> usize {
        match self.build_workers {
            0 => (self.flush_workers(cores) / 2).max(1),
            workers => workers,
        }
    }

    pub(crate) fn flush_workers(&self, cores: usize) -> usize {
        match (self.flush_workers, cores) {
            (0, ..=4) => 2,
            (0, ..=8) => 4,
            (0, _) => 6,
            (workers, _) => workers,
        }
    }
}
