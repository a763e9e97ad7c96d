//! Searches of an index whose pages are on disk.

use super::passes::{Measured, Pass, Searched, Segment};
use crate::failure::Failure;
use std::io;
use vicinal_index::{Scratch, Search};
use vicinal_storage::{page_out, resident_pages};
use vicinal_types::{Cancel, Clock as _, SystemClock};

impl Searched<'_> {
    /// One pass over all queries; before each, the pages that searches read here and
    /// there are taken out of memory, after it, those that came back are counted.
    ///
    /// All else (codes, the layers above the ground) stays: a server has it in memory.
    pub(super) fn measure_cold(&self, k: usize, effort: usize) -> Result<Measured, Failure> {
        let Some(Segment { vectors, index, .. }) = self.segments.first() else {
            return Err(Failure::new("--cold: there are no rows"));
        };
        let pages = index.scattered().ok_or_else(|| {
            let params = index.params();
            Failure::new(format!(
                "--cold: {params} is not laid out for disk; give --index HNSW,layout=paged"
            ))
        })?;
        let failed = |error: io::Error| Failure::new(format!("pages cannot be counted: {error}"));
        let (search, mut scratch, cancel) =
            (Search::new(k, effort), Scratch::default(), Cancel::never());
        let (mut pass, mut read, mut left) = (Pass::default(), 0, 0);
        for (query, truth) in (0..self.data.queries.len()).zip(&self.data.truth) {
            page_out(pages).map_err(failed)?;
            let before = resident_pages(pages).map_err(failed)?;
            let vector = self.data.queries.row(query);
            let started = SystemClock.now();
            let found = index.search(vectors, vector, &search, &mut scratch, &cancel);
            pass.took += SystemClock.now().saturating_duration_since(started);
            read += resident_pages(pages).map_err(failed)?.saturating_sub(before);
            left += before;
            pass.add(&found.map_err(|stopped| Failure::new(stopped.to_string()))?, truth);
        }
        if left > read {
            return Err(Failure::new(format!(
                "{left} pages stayed in memory although they were to leave it, {read} were read: \
                 another process uses the file, or its file system is one in memory"
            )));
        }
        let queries = f64::from(self.data.queries.len()).max(1.0);
        Ok(Measured { pages_read: Some(read as f64 / queries), ..pass.measured(queries) })
    }
}
