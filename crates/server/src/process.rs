//! What the operating system says about this process.

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use vicinal_types::{Error, Result};

/// Resident memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessMemory {
    /// Anonymous: heap, stacks, huge pages.
    pub anonymous_bytes: u64,
    /// File-backed: mapped segments and the binary.
    pub mapped_bytes: u64,
    /// Anonymous memory in large pages, where the system says it.
    pub large_page_bytes: Option<u64>,
}

/// Open files that are no connections: the log, segments, indexes.
const OTHER_FILES: u64 = 1_024;

/// Reads resident memory from the kernel's account.
///
/// # Errors
/// [`Internal`](vicinal_types::ErrorKind::Internal) if /proc is not there.
pub(crate) fn memory() -> Result<ProcessMemory> {
    let path = "/proc/self/status";
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::internal(format!("cannot read {path}")).caused_by(error))?;
    // Older kernels and some sandboxes do not have it.
    let maps = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    parse_memory(&text, &maps)
        .ok_or_else(|| Error::internal(format!("{path} has no RssAnon or RssFile")))
}

fn parse_memory(status: &str, maps: &str) -> Option<ProcessMemory> {
    let bytes = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    };
    Some(ProcessMemory {
        anonymous_bytes: bytes(status, "RssAnon:")?,
        mapped_bytes: bytes(status, "RssFile:")?,
        large_page_bytes: bytes(maps, "AnonHugePages:"),
    })
}

/// User and system time of all threads since the process began.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The instruction set of the distance kernels.
pub(crate) fn isa() -> &'static str {
    vicinal_distance::kernels().isa().name()
}

/// Raises the number of files that may be open to what the process may have;
/// connections and mapped segments all count. Says so if that is less than so many
/// connections need.
pub(crate) fn raise_open_files(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            let current = limit.current;
            tracing::warn!(%error, ?current, "cannot raise the limit of open files");
        }
    }
    if let Some(warning) = too_few_files(getrlimit(Resource::Nofile).current, connections) {
        tracing::warn!("{warning}");
    }
}

/// What to say if so many open files, none: any number, are too few.
fn too_few_files(files: Option<u64>, connections: usize) -> Option<String> {
    let needed = connections as u64 + OTHER_FILES;
    let files = files.filter(|files| *files < needed)?;
    Some(format!(
        "the process may have {files} open files, and limits.max_connections {connections} and {OTHER_FILES} for data need {needed}: connections beyond will not be accepted; raise the limit (ulimit -n, LimitNOFILE in a systemd unit) or lower limits.max_connections"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_kernels_words() {
        let status = "Name:\tvicinal\nRssAnon:\t    1000 kB\nRssFile:\t       4 kB\n";
        let maps = "Rss:  6000 kB\nAnonHugePages:      2048 kB\n";
        let (anonymous_bytes, mapped_bytes) = (1_024_000, 4_096);
        for (maps, large_page_bytes) in [(maps, Some(2_097_152)), ("", None)] {
            let expected = ProcessMemory { anonymous_bytes, mapped_bytes, large_page_bytes };
            assert_eq!(parse_memory(status, maps), Some(expected));
        }
        assert_eq!(parse_memory("Name:\tvicinal\n", maps), None);
    }

    #[test]
    fn too_few_open_files_are_said_with_the_way_out() {
        assert_eq!(too_few_files(None, 10_000), None, "no limit");
        assert_eq!(too_few_files(Some(11_024), 10_000), None);
        let warning = too_few_files(Some(11_023), 10_000).expect("one is missing");
        for part in ["11023 open files", "max_connections 10000", "11024", "ulimit -n"] {
            assert!(warning.contains(part), "{warning:?} does not say {part:?}");
        }
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        assert!(memory().expect("/proc").anonymous_bytes > 0);
        assert!(cpu_time() > Duration::ZERO);
    }
}
