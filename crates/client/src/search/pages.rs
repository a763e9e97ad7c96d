//! Walking over the nearest rows.

use super::{Found, Hits, One, Search};
use crate::error::Result;

/// A walk over the nearest rows in pages; made by [`Search::pages`].
///
/// Rows come by score, those of the same score by id. One that is there, and passes, from
/// the first page to the last comes once if the search is exact, and else if its index
/// finds it; one whose vector changes meanwhile comes where it is then, if that is ahead.
///
/// ```no_run
/// # async fn walk(words: vicinal_client::Collection) -> Result<(), vicinal_client::Error> {
/// let mut pages = words.search(&[0.1, 0.8]).k(1_000).columns(["word"]).pages();
/// while let Some(found) = pages.next_page().await? {
///     assert!(found.hits.scores.len() <= 1_000);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SearchPages {
    search: Search<One>,
    /// Where the next page begins; none: the last page was given out.
    cursor: Option<Vec<u8>>,
}

impl SearchPages {
    pub(super) fn new(search: Search<One>) -> Self {
        Self { search, cursor: Some(Vec::new()) }
    }

    /// The next page; none after the last.
    ///
    /// # Errors
    /// Those of any search; the walk can then be continued by calling again.
    pub async fn next_page(&mut self) -> Result<Option<Found<Hits>>> {
        let Some(cursor) = self.cursor.clone() else {
            return Ok(None);
        };
        let (found, next) = self.search.clone().ask(Some(cursor)).await?;
        self.cursor = Some(next).filter(|next| !next.is_empty());
        let is_page = !found.hits.rows.is_empty() || self.cursor.is_some();
        Ok(is_page.then_some(found))
    }
}
