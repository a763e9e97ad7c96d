//! Names of things as types, so that a segment is never taken for a shard.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// The number of a database; never reused.
    DatabaseId(u32)
);
id!(
    /// The number of a collection; never reused.
    CollectionId(u32)
);
id!(
    /// The number of a column within its collection; never reused.
    ColumnId(u32)
);
id!(
    /// The number of a segment within its shard; never reused.
    SegmentId(u64)
);
id!(
    /// The number of a Raft group: 0 is the catalogue, every shard has its own.
    GroupId(u64)
);
id!(
    /// The number of a node within its cluster, from 1.
    NodeId(u64)
);

/// A shard is named by its Raft group.
pub type ShardId = GroupId;

impl GroupId {
    /// The group of the catalogue: databases, collections, schemas, aliases.
    pub const CATALOGUE: Self = Self(0);
}

/// A key that makes a retried write exactly once: the same id within the
/// remembered window gives the first attempt's outcome.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub [u8; 16]);

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Where a write stands in its shard's history: the Raft index of its command,
/// then its place in the command. Later versions of an id replace earlier ones.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Version {
    /// Raft index of the command.
    pub index: u64,
    /// Ordinal of the row within the command.
    pub ordinal: u32,
}

/// A primary id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowId {
    /// Of a collection with [`IdType::Int64`](crate::IdType::Int64).
    Int(i64),
    /// Of a collection with [`IdType::String`](crate::IdType::String).
    Str(String),
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(id) => id.fmt(f),
            Self::Str(id) => write!(f, "{id:?}"),
        }
    }
}
