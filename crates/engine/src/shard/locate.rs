//! Reading rows by id: where they are, in a view that has them.

use super::state::Place;
use super::{Shard, View};
use crate::columns::request_id;
use std::sync::Arc;
use vicinal_types::Ids;

/// A row of a view: the place of its segment there, and its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowPlace {
    pub(crate) segment: usize,
    pub(crate) row: u32,
}

impl Shard {
    /// Where the live rows of the ids are, in the order of the ids; ids that
    /// have none are left out.
    pub(crate) fn locate(&self, ids: &Ids) -> (Arc<View>, Vec<RowPlace>) {
        let state = self.state.read();
        // Views are published under the state's write lock, so this one is of
        // the same moment.
        let view = self.view.load_full();
        let sealed = state.sealed.len();
        let places = (0..ids.len()).filter_map(|at| {
            let id = request_id(ids, at);
            let place = state.find(id.hash(), id)?;
            Some(match place {
                Place::Sealed(segment, row) => RowPlace { segment, row },
                Place::Memory(segment, row) => RowPlace { segment: sealed + segment, row },
            })
        });
        let places = places.collect();
        (view, places)
    }
}
