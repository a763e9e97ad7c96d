//! Every kernel against the definition, on sizes that divide by nothing.

mod data;
mod flat;
mod kmeans;
mod run;
