//! The binary as its users have it: real processes, real files, real signals.

mod columns;
mod damage;
mod errors;
mod filters;
mod flow;
mod kill;
mod kinds;
mod machine;
mod serve;
mod snapshots;

mod message;
mod process;
