//! The engine from outside: on a real directory and on a disk that crashes.

mod allocations;
mod budgets;
mod collections;
mod columns;
mod compaction;
mod conditions;
mod crash;
mod deadlines;
mod errors;
mod explain;
mod filters;
mod fixture;
mod growing;
mod life;
mod merging;
mod metamorphic;
mod nodes;
mod power;
mod profile;
mod reopening;
mod retries;
mod scalar_indexes;
mod search;
mod snapshot;
mod ttl;
mod updates;
