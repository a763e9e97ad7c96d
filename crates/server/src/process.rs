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
}

/// Reads resident memory from the kernel's account.
///
/// # Errors
/// [`Internal`](vicinal_types::ErrorKind::Internal) if /proc is not there.
pub(crate) fn memory() -> Result<ProcessMemory> {
    let path = "/proc/self/status";
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::internal(format!("cannot read {path}")).caused_by(error))?;
    parse_memory(&text).ok_or_else(|| Error::internal(format!("{path} has no RssAnon or RssFile")))
}

fn parse_memory(status: &str) -> Option<ProcessMemory> {
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    };
    Some(ProcessMemory { anonymous_bytes: bytes("RssAnon:")?, mapped_bytes: bytes("RssFile:")? })
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
/// connections and mapped segments all count.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        let current = limit.current;
        tracing::warn!(%error, ?current, "cannot raise the limit of open files");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_kernels_words() {
        let status = "Name:\tvicinal\nRssAnon:\t    1000 kB\nRssFile:\t       4 kB\n";
        let expected = ProcessMemory { anonymous_bytes: 1_024_000, mapped_bytes: 4_096 };
        assert_eq!(parse_memory(status), Some(expected));
        assert_eq!(parse_memory("Name:\tvicinal\n"), None);
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        assert!(memory().expect("/proc").anonymous_bytes > 0);
        assert!(cpu_time() > Duration::ZERO);
    }
}
