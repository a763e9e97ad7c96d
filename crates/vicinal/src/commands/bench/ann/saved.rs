//! Built indexes kept between runs, in the files that a server would write.

use crate::failure::Failure;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use vicinal_index::{Index, IndexParams, Vectors};
use vicinal_storage::{Disk as _, FileDisk, SectionFile, SectionWriter, advise_scattered};
use vicinal_types::Error;
use xxhash_rust::xxh3::Xxh3;

/// The section that says how long the build took, in nanoseconds; far from those
/// of indexes.
const BUILD_TIME: u32 = 1_000;

/// The version of that section.
const VERSION: u16 = 1;

/// What tells an index of these rows from every other: its file's number, which
/// goes into all checksums.
pub(super) fn fingerprint(params: &IndexParams, vectors: &Vectors) -> u64 {
    let kind = vectors.vector_type();
    let mut hasher = Xxh3::new();
    hasher.update(format!("{params:?} {kind:?} {}", vectors.len()).as_bytes());
    hasher.update(vectors.bytes());
    hasher.digest()
}

fn path(dir: &Path, params: &IndexParams, number: u64) -> PathBuf {
    let name = params.to_string().to_lowercase().replace([' ', '='], "-");
    dir.join(format!("{name}-{number:016x}.index"))
}

/// Writes an index to the directory.
pub(super) fn save(
    dir: &Path,
    number: u64,
    params: &IndexParams,
    (index, built): (&Index, Duration),
) -> Result<(), Failure> {
    let disk = Arc::new(FileDisk);
    let path = path(dir, params, number);
    let written = || -> Result<u64, Error> {
        let mut writer = SectionWriter::create(disk.clone(), &path, number)?;
        for (kind, version, bytes) in index.sections() {
            writer.section(kind, version, &bytes)?;
        }
        let nanos = u64::try_from(built.as_nanos()).unwrap_or(u64::MAX);
        writer.section(BUILD_TIME, VERSION, &nanos.to_le_bytes())?;
        Ok(writer.finish()?)
    };
    disk.create_dir_all(dir).map_err(|error| Failure::file(dir, error))?;
    written().map_err(|error| Failure::file(&path, error))?;
    Ok(())
}

/// Opens an index that was saved, with the time its build took; none if none was.
/// As a server does, copies what every search touches to large pages.
pub(super) fn load(
    dir: &Path,
    number: u64,
    params: &IndexParams,
    vectors: &Vectors,
) -> Result<Option<(Index, Duration)>, Failure> {
    let path = path(dir, params, number);
    if !FileDisk.exists(&path).map_err(|error| Failure::file(&path, error))? {
        return Ok(None);
    }
    let opened = || -> Result<(Index, Duration), Error> {
        let file = SectionFile::open(&FileDisk, &path, number)?;
        let mut read = |kind: u32| {
            let section = file.section(kind)?;
            Ok((section.version, section.bytes))
        };
        let index = Index::open(&mut read, vectors)?;
        let (_, nanos) = read(BUILD_TIME)?;
        let nanos = nanos.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if let Some(pages) = index.scattered() {
            advise_scattered(pages).map_err(|error| Error::unavailable(error.to_string()))?;
        }
        let index = index.hot_copy().unwrap_or(index);
        Ok((index, Duration::from_nanos(nanos)))
    };
    opened().map(Some).map_err(|error| Failure::file(&path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use vicinal_client::{ElementType, Metric, VectorType};
    use vicinal_index::{HnswParams, Progress, Search};
    use vicinal_types::{Cancel, HnswCodes};

    #[test]
    fn an_index_comes_back_for_its_own_rows_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let kind = VectorType::new(1, ElementType::U8, Metric::L2).expect("a right type");
        let vectors = |bytes: Vec<u8>| Vectors::new(kind, Bytes::from(bytes)).expect("whole rows");
        let rows = vectors((0..=255).collect());
        let codes = HnswCodes::None;
        let params = IndexParams::Hnsw(HnswParams { m: 4, ef_construction: 16, seed: 1, codes });
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
        let (progress, never) = (Progress::default(), Cancel::never());
        let index = Index::build(&params, &rows, &pool, &progress, &never).expect("built");
        let number = fingerprint(&params, &rows);
        let load = |number, rows: &Vectors| load(dir.path(), number, &params, rows);
        assert!(load(number, &rows).expect("no file is no error").is_none());
        let built = Duration::from_millis(7);
        save(dir.path(), number, &params, (&index, built)).expect("saved");
        let (opened, took) = load(number, &rows).expect("read").expect("there");
        assert_eq!((opened.params(), took), (params, built));
        let search = |index: &Index| {
            index.search(&rows, &[9], &Search::new(3, 8), &mut Default::default(), &never)
        };
        assert_eq!(search(&opened).expect("found"), search(&index).expect("found"));
        assert_ne!(fingerprint(&params, &vectors(vec![0; 256])), number);
    }
}
