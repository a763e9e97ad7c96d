//! A picture of the disk before each call: a crash at every call of one run.

use super::call::DiskCall;
use super::volume::Volume;
use super::{SimDisk, State};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The disk as it was before a call of a recorded run.
#[derive(Clone)]
pub struct DiskImage {
    /// The call that came next.
    pub call: DiskCall,
    /// What it was about.
    pub path: PathBuf,
    /// What the counter given to [`SimDisk::record`] said.
    pub tag: u64,
    /// Counts the changes: images of one number hold the same.
    pub state: u64,
    volume: Arc<Volume>,
    #[cfg(feature = "seeded-bugs")]
    bug: Option<crate::Bug>,
}

impl DiskImage {
    /// A disk of its own with this contents, nothing of which has been lost yet.
    #[must_use]
    pub fn disk(&self, seed: u64) -> SimDisk {
        let disk = SimDisk::with_volume(self.volume.fork(), seed);
        #[cfg(feature = "seeded-bugs")]
        disk.plant(self.bug);
        disk
    }
}

impl fmt::Debug for DiskImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "before {:?} of {}", self.call, self.path.display())
    }
}

pub(super) struct Recording {
    tag: Arc<AtomicU64>,
    images: Vec<DiskImage>,
    /// The disk as it is, until a call changes it.
    now: Option<Arc<Volume>>,
    state: u64,
}

impl Recording {
    /// The disk was changed by something else than a call.
    pub(super) fn forget(&mut self) {
        self.now = None;
    }
}

impl SimDisk {
    /// Keeps a picture of the disk before each call from now on, with what `tag`
    /// says then: whoever runs the script counts its steps there.
    pub fn record(&self, tag: Arc<AtomicU64>) {
        let recording = Recording { tag, images: Vec::new(), now: None, state: 0 };
        self.shared.state.lock().recording = Some(recording);
    }

    /// Ends the recording; the pictures so far.
    #[must_use]
    pub fn take_images(&self) -> Vec<DiskImage> {
        let recording = self.shared.state.lock().recording.take();
        recording.map_or_else(Vec::new, |recording| recording.images)
    }
}

impl State {
    pub(super) fn picture(&mut self, call: DiskCall, path: &Path) {
        let Some(recording) = &mut self.recording else {
            return;
        };
        let volume = match recording.now.take() {
            Some(volume) => volume,
            None => {
                recording.state += 1;
                Arc::new(self.volume.fork())
            }
        };
        recording.images.push(DiskImage {
            call,
            path: path.to_owned(),
            tag: recording.tag.load(Ordering::SeqCst),
            state: recording.state,
            volume: Arc::clone(&volume),
            #[cfg(feature = "seeded-bugs")]
            bug: self.bug,
        });
        if !call.is_change() {
            recording.now = Some(volume);
        }
    }
}
