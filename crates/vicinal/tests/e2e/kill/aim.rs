//! When to kill: at any time, or at moments that the data directory shows.

use crate::process::{PATIENCE, Server, names};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vicinal_types::{Clock as _, SystemClock};

/// Between two looks at the data directory; a sync takes ten times as long.
const LOOK: Duration = Duration::from_micros(50);

/// What a kill is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aim {
    /// Nothing: any moment.
    AnyTime,
    /// While the server replays its log.
    StartUp,
    /// While the file of a sealed segment is written.
    Sealing,
    /// While a manifest is written, or just after it got its name.
    ManifestChange,
    /// Just after a file of the log was removed: others, and files that the new
    /// manifest does not name, are still to go.
    LogPurge,
}

/// What can be seen of a data directory from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sight {
    /// A segment's file is half written.
    pub(super) is_sealing: bool,
    /// A manifest is half written, or its next to last predecessor is still there.
    pub(super) is_changing: bool,
    /// The name of the newest manifest of each group.
    newest: Vec<String>,
    /// The oldest file of the log.
    oldest: Option<String>,
    pub(super) log_bytes: u64,
}

/// Looks at one data directory.
pub(super) struct Watch {
    data: PathBuf,
    /// The largest log that was seen.
    pub(super) log_bytes_max: u64,
}

impl Watch {
    pub(super) fn new(data: &Path) -> Self {
        Self { data: data.to_owned(), log_bytes_max: 0 }
    }

    /// What there is to see now.
    pub(super) fn look(&mut self) -> Sight {
        let mut sight = Sight::default();
        let groups = self.data.join("groups");
        for group in names(&groups) {
            let files = names(&groups.join(group));
            sight.is_sealing |= files.iter().any(|name| name.ends_with(".rows.tmp"));
            let manifests = files.into_iter().filter(|name| name.starts_with("MANIFEST-"));
            let (halves, whole): (Vec<_>, Vec<_>) =
                manifests.partition(|name| name.ends_with(".tmp"));
            sight.is_changing |= !halves.is_empty() || whole.len() > 2;
            sight.newest.extend(whole.into_iter().next_back());
        }
        let log = self.data.join("log");
        let files = names(&log);
        // A file may go while it is looked at.
        let bytes = |name: &String| std::fs::metadata(log.join(name)).map_or(0, |file| file.len());
        sight.log_bytes = files.iter().map(bytes).sum();
        sight.oldest = files.into_iter().next();
        self.log_bytes_max = self.log_bytes_max.max(sight.log_bytes);
        sight
    }

    /// Lets the server work for `run`, waits for the moment, kills. Says whether
    /// the moment came, and what was left behind.
    pub(super) fn kill(mut self, server: Server, aim: Aim, run: Duration) -> Killed {
        let started = SystemClock.now();
        let elapsed = || SystemClock.now().saturating_duration_since(started);
        let mut before = self.look();
        let (is_met, now) = loop {
            let now = self.look();
            if elapsed() > run && is_moment(aim, &before, &now) {
                break (true, now);
            }
            if elapsed() > PATIENCE {
                break (false, now);
            }
            before = now;
            std::thread::park_timeout(LOOK);
        };
        let ended = server.kill();
        let left = self.look();
        let is_hit = match aim {
            Aim::AnyTime | Aim::StartUp | Aim::LogPurge => is_met,
            // A dead server's directory proves what it was about.
            Aim::Sealing => left.is_sealing,
            Aim::ManifestChange => is_met && (left.is_changing || left.newest == now.newest),
        };
        Killed { is_hit, lines: ended.lines, log_bytes_max: self.log_bytes_max }
    }
}

fn is_moment(aim: Aim, before: &Sight, now: &Sight) -> bool {
    match aim {
        Aim::AnyTime | Aim::StartUp => true,
        Aim::Sealing => now.is_sealing,
        Aim::ManifestChange => now.is_changing || before.newest != now.newest,
        Aim::LogPurge => before.oldest < now.oldest,
    }
}

/// What a kill met.
pub(super) struct Killed {
    /// The moment that was aimed at.
    pub(super) is_hit: bool,
    /// The log of the server.
    pub(super) lines: Vec<String>,
    pub(super) log_bytes_max: u64,
}
