//! Every kernel against the definition, on sizes that divide by nothing.

#![expect(clippy::cast_possible_truncation, reason = "a test's sizes are small")]

mod conformance;
mod data;
mod device;
mod flat;
mod kmeans;
mod run;
