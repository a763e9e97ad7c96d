//! The folder through which bytes get to loaders that only know files.

use super::ENGINE;
use crate::IndexError;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use tempfile::TempDir;

/// A temporary folder that only this user may enter; gone when dropped.
pub(super) struct PrivateFolder(TempDir);

impl PrivateFolder {
    pub(super) fn new() -> Result<Self, IndexError> {
        let folder = tempfile::Builder::new().prefix("vicinal-index-").tempdir();
        let folder = folder.map_err(|error| failed(&std::env::temp_dir(), &error))?;
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes a file and lets `write` fill it.
    pub(super) fn write(
        &self,
        name: &str,
        write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
    ) -> Result<(), IndexError> {
        let path = self.path().join(name);
        #[expect(
            clippy::disallowed_methods,
            reason = "a foreign loader's input, which nothing but this process sees"
        )]
        let written = File::create(&path).and_then(|file| {
            let mut file = BufWriter::with_capacity(1024 * 1024, file);
            write(&mut file)?;
            file.into_inner().map_err(std::io::IntoInnerError::into_error).map(drop)
        });
        written.map_err(|error| failed(&path, &error))
    }

    /// Removes the folder with all that is in it.
    pub(super) fn remove(self) -> Result<(), IndexError> {
        let path = self.path().to_owned();
        self.0.close().map_err(|error| failed(&path, &error))
    }
}

fn failed(path: &Path, error: &std::io::Error) -> IndexError {
    let reason = format!("{}: {error}; make room there or set TMPDIR", path.display());
    IndexError::EngineFailed { engine: ENGINE, task: "use a temporary folder", reason }
}
