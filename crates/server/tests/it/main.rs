//! The real server on free ports, over real connections.

mod aggregates;
mod catalogue;
mod door;
mod filters;
mod health;
mod limits;
mod rows;
mod search;
mod serving;
mod stopping;
mod ttl;
mod updates;
