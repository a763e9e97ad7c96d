//! The text files of the tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders at the top that hold no source.
const SKIPPED: [&str; 4] = [".git", "target", "data", "out"];

/// Larger files are data: no text of ours comes near.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// Every text file by its path from the root.
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ lies in the root").to_owned()
}

/// Replaces a file of the tree; only `UPDATE=1` does that.
#[expect(clippy::disallowed_methods, reason = "rewrites a source file when asked to")]
pub(crate) fn write(path: &str, text: &str) {
    fs::write(root().join(path), text).expect("the tree is writable when UPDATE=1 is given");
}

impl Tree {
    /// Reads all text files, built and binary ones left out.
    pub(crate) fn read() -> Self {
        let root = root();
        let mut files = BTreeMap::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("folders of the tree can be listed") {
                let path = entry.expect("entries of the tree can be read").path();
                if path.is_dir() {
                    if !is_skipped(&root, &path) {
                        folders.push(path);
                    }
                } else if let Some(text) = read_text(&path) {
                    files.insert(relative(&root, &path), text);
                }
            }
        }
        Self { files }
    }

    /// Paths and texts, by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The text of a file that must be there.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.files.get(path).unwrap_or_else(|| panic!("{path} is not in the tree"))
    }
}

/// Build folders carry cargo's CACHEDIR.TAG, whatever they are called.
fn is_skipped(root: &Path, folder: &Path) -> bool {
    let name = relative(root, folder);
    SKIPPED.contains(&name.as_str()) || folder.join("CACHEDIR.TAG").exists()
}

fn read_text(path: &Path) -> Option<String> {
    let metadata = path.metadata().ok()?; // an editor's dangling link
    if metadata.len() > TEXT_BYTES_MAX {
        return None;
    }
    String::from_utf8(fs::read(path).ok()?).ok()
}

fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).expect("the walk stays below the root");
    path.to_str().expect("file names are UTF-8").to_owned()
}
