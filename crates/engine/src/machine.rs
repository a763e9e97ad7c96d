//! The state machines behind the node's Raft groups.

use crate::catalogue::{Catalogue, CatalogueOutcome};
use crate::request::WriteOutcome;
use crate::shard::Shard;
use std::sync::Arc;
use vicinal_cluster::{Committed, StateMachine};
use vicinal_storage::LogPosition;
use vicinal_types::{ErrorKind, Result};

/// What a group's commands build.
pub(crate) enum Machine {
    Catalogue(Arc<Catalogue>),
    Shard(Arc<Shard>),
}

/// What a command came to.
pub(crate) enum Outcome {
    Catalogue(Result<CatalogueOutcome, (ErrorKind, String)>),
    Shard(Result<WriteOutcome, (ErrorKind, String)>),
}

impl StateMachine for Machine {
    type Outcome = Outcome;

    fn apply(&mut self, commands: &[Committed]) -> Vec<Outcome> {
        match self {
            Self::Catalogue(catalogue) => {
                catalogue.apply(commands).into_iter().map(Outcome::Catalogue).collect()
            }
            Self::Shard(shard) => shard.apply(commands).into_iter().map(Outcome::Shard).collect(),
        }
    }

    fn applied(&mut self, position: LogPosition) {
        match self {
            Self::Catalogue(catalogue) => catalogue.applied(position),
            Self::Shard(shard) => shard.applied(position),
        }
    }
}
