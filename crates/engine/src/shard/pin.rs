//! Holding on to what is durable of a shard while it is copied away.

use super::Shard;
use vicinal_storage::{LogPosition, SectionFile};
use vicinal_types::{Error, Result};

/// Everything that the files of a shard held at one moment. They stay readable
/// whatever becomes of their names.
pub(crate) struct PinnedShard {
    /// The manifest that names them.
    pub(crate) state: serde_json::Value,
    /// The files by name.
    pub(crate) files: Vec<(String, SectionFile)>,
    /// Rows in them that are not deleted.
    pub(crate) rows: u64,
}

impl Shard {
    /// Freezes what is growing and says up to where files must hold every write
    /// before they hold all that was acknowledged by now; none if they do.
    pub(crate) fn freeze_up_to_now(&self) -> Option<LogPosition> {
        self.freeze();
        self.state.read().memory.iter().rev().find_map(|segment| segment.frozen_at)
    }

    /// Whether files hold every write up to a position.
    pub(crate) fn is_durable(&self, position: LogPosition) -> bool {
        self.manifest.lock().body.applied() >= position
    }

    /// Opens the files that the manifest names now: what it names is not removed
    /// while it is held, and open files outlive their names.
    ///
    /// # Errors
    /// `Corrupt` for the first that is not what was written.
    pub(crate) fn pin(&self) -> Result<PinnedShard> {
        self.view().check_whole()?;
        self.check_manifest()?;
        let manifest = self.manifest.lock();
        let mut files = Vec::new();
        for (name, number) in manifest.body.files() {
            let file = SectionFile::open(&*self.disk, &self.dir.join(&name), number);
            files.push((name, file.map_err(Error::from)?));
        }
        let state = serde_json::to_value(&manifest.body);
        let state = state.expect("numbers and lists are always JSON");
        Ok(PinnedShard { state, files, rows: manifest.body.live_count() })
    }
}
