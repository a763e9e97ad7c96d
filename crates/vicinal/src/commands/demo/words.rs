//! The rows of the demo's file that are searched for.

use crate::failure::Failure;
use crate::source::Source;
use vicinal_client::{RowId, Rows, Vectors};

/// Rows read at once.
const CHUNK_ROWS: usize = 4_096;

/// Words with their meanings and vectors.
pub(super) struct Words {
    rows: Rows,
    column: String,
}

impl Words {
    /// Reads the file; it is small.
    pub(super) fn read(mut source: Source) -> Result<Self, Failure> {
        let layout = source.layout();
        let column = layout.vectors.first().map(|vector| vector.name.clone()).unwrap_or_default();
        for needed in ["word", "gloss"] {
            if !layout.scalars.iter().any(|scalar| scalar.name == needed) {
                let reason = "the demo needs the columns `word` and `gloss`; use `vicinal import` for other files";
                return Err(Failure::new(reason));
            }
        }
        let mut all: Option<Rows> = None;
        while let Some(rows) = source.next_rows(CHUNK_ROWS)? {
            match &mut all {
                Some(all) => all.append(rows)?,
                None => all = Some(rows),
            }
        }
        let rows = all.ok_or_else(|| Failure::new("the demo's file has no rows"))?;
        Ok(Self { rows, column })
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn id(&self, row: usize) -> RowId {
        self.rows.ids().get(row)
    }

    pub(super) fn word(&self, row: usize) -> String {
        self.rows.text("word", row).unwrap_or_default().replace('_', " ")
    }

    pub(super) fn gloss(&self, row: usize) -> &str {
        self.rows.text("gloss", row).unwrap_or_default()
    }

    pub(super) fn vector(&self, row: usize) -> Vectors {
        Vectors::from(self.rows.vector(&self.column, row).unwrap_or_default())
    }

    /// The first row of each word that is there; the first rows of the file if
    /// none is.
    pub(super) fn pick(&self, words: &[&str]) -> Vec<usize> {
        let first = |word: &&str| (0..self.len()).find(|row| self.word(*row) == **word);
        let found: Vec<_> = words.iter().filter_map(first).collect();
        if found.is_empty() { (0..self.len().min(words.len())).collect() } else { found }
    }
}
