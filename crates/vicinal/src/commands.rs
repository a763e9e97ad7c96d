//! One file a command: its flags and what it does.

pub(crate) mod aggregate;
pub(crate) mod apply;
pub(crate) mod bench;
pub(crate) mod calibrate;
pub(crate) mod count;
pub(crate) mod delete;
pub(crate) mod demo;
pub(crate) mod describe;
pub(crate) mod drop;
pub(crate) mod explain;
pub(crate) mod flush;
pub(crate) mod get;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod machine;
pub(crate) mod scroll;
pub(crate) mod search;
pub(crate) mod serve;
pub(crate) mod snapshot;
pub(crate) mod stats;
pub(crate) mod update;
pub(crate) mod verify;
