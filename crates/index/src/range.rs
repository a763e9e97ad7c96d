//! All rows within a distance, from an index that knows only "the nearest so many".
//!
//! A graph has no distance at which it could stop: what it costs goes by how many
//! rows are wanted. So a few are asked for, then four times as many while all that
//! come are near enough. The last search costs more than all before it together, and
//! a bound within which few rows are costs what so few rows do, whatever `k` is.

use crate::{Found, Scratch, Search, Work};

/// Rows asked for at first, unless the effort is above.
const FIRST: usize = 32;

/// How many times as many are asked for when all that came are within the bound.
const GROWTH: usize = 4;

/// Finds with `find` the nearest `search.k` rows within `search.within`, asking for
/// no more rows than that makes necessary.
pub(crate) fn widen<E>(
    search: &Search<'_>,
    scratch: &mut Scratch,
    mut find: impl FnMut(&Search<'_>, &mut Scratch) -> Result<Found, E>,
) -> Result<Found, E> {
    let is_bounded = search.within < f32::INFINITY;
    let mut k = if is_bounded { search.effort.max(FIRST).min(search.k) } else { search.k };
    let mut work = Work::default();
    loop {
        let mut found = find(&Search { k, ..*search }, scratch)?;
        work += found.work;
        let came = found.neighbors.len();
        found.cut(search.within);
        if k == search.k || came < k || found.neighbors.len() < came {
            return Ok(Found { work, ..found });
        }
        scratch.give_back(found.neighbors);
        k = k.saturating_mul(GROWTH).min(search.k);
    }
}
