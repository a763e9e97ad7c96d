//! How much memory the process has.

use crate::failure::Failure;
use std::path::Path;

/// Bytes in memory, or by how many they grew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Resident {
    /// The process's own, without what its allocator keeps for later.
    pub(super) anonymous: i64,
    /// Of files, which the system may take back at any time.
    pub(super) mapped: i64,
}

impl Resident {
    /// What the system says now.
    pub(super) fn now() -> Result<Self, Failure> {
        let path = Path::new("/proc/self/status");
        let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
        let read = || {
            let held = i64::try_from(vicinal_server::held_bytes()).ok()?;
            let (anonymous, mapped) = (field(&text, "RssAnon:")?, field(&text, "RssFile:")?);
            Some(Self { anonymous: anonymous - held, mapped })
        };
        read().ok_or_else(|| Failure::file(path, "it does not say RssAnon and RssFile"))
    }

    pub(super) fn since(self, before: Self) -> Self {
        let anonymous = self.anonymous - before.anonymous;
        Self { anonymous, mapped: self.mapped - before.mapped }
    }
}

/// A line like `RssAnon:      1024 kB`, in bytes.
fn field(text: &str, name: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_used_is_counted_until_it_is_given_back() {
        const BYTES: usize = 64 << 20;
        let before = Resident::now().expect("the system says it");
        let block = std::hint::black_box(vec![1_u8; BYTES]);
        let grown = Resident::now().expect("the system says it").since(before).anonymous;
        assert!((grown - BYTES as i64).abs() < 16 << 20, "{grown} {}", block.len());
        drop(block);
        let grown = Resident::now().expect("the system says it").since(before).anonymous;
        assert!(grown.abs() < 16 << 20, "{grown}");
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        let text = "VmRSS:\t    9000 kB\nRssAnon:\t    12 kB\nRssFile:\tmany\n";
        let check = |name, expected| assert_eq!(field(text, name), expected, "{name}");
        check("RssAnon:", Some(12 * 1024));
        check("RssFile:", None);
        check("RssShmem:", None);
    }
}
