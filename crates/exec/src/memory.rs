//! How much memory the process may use: the machine's, or what its control group
//! leaves it.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";

/// Bytes of memory that the process may use: the least of the machine's memory and
/// the limits of its control group and all groups above it (version 2
/// `memory.max`, version 1 `memory.limit_in_bytes`).
pub fn memory_limit() -> u64 {
    let system = rustix::system::sysinfo();
    let total = system.totalram as u64 * u64::from(system.mem_unit.max(1));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let files = limit_files(Path::new(MOUNT), &groups);
    // A file that is missing is a limit that was not set.
    let limits = files.into_iter().filter_map(|file| fs::read_to_string(file).ok());
    limits.filter_map(|text| limit_in(&text)).fold(total, u64::min)
}

/// The files that may hold a limit, of the group itself and of those above it.
fn limit_files(mount: &Path, groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = if controllers.is_empty() {
            (mount.to_owned(), "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            (mount.join("memory"), "memory.limit_in_bytes")
        } else {
            continue;
        };
        let group = Path::new(group.trim_start_matches('/'));
        files.extend(group.ancestors().map(|above| root.join(above).join(name)));
    }
    files
}

/// The limit that a file names; version 2 says `max` where there is none.
fn limit_in(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_all_groups_above_count() {
        let files = limit_files(Path::new("/g"), "0::/a/b\n");
        assert_eq!(
            files,
            ["/g/a/b/memory.max", "/g/a/memory.max", "/g/memory.max"].map(PathBuf::from)
        );
        let files = limit_files(Path::new("/g"), "9:cpu:/x\n4:hugetlb,memory:/docker/1\n");
        let expected = ["/docker/1", "/docker", ""]
            .map(|group| PathBuf::from(format!("/g/memory{group}/memory.limit_in_bytes")));
        assert_eq!(files, expected);
        assert!(limit_files(Path::new("/g"), "nonsense").is_empty());
        assert_eq!((limit_in("1048576\n"), limit_in("max\n")), (Some(1 << 20), None));
    }

    #[test]
    fn this_process_has_memory() {
        let limit = memory_limit();
        assert!((1 << 26..1 << 50).contains(&limit), "{limit}");
    }
}
