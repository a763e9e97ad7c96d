//! Tests of the crate from outside: every format, every failure, on both disks.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, helpers included")]

mod disk;
mod golden;
mod identity;
mod log;
mod log_bounds;
mod log_crash;
mod log_damage;
mod log_model;
mod manifest;
mod segment;
mod sim;
