//! The index crate from outside: recall, masks, duplicates, stored bytes.

mod allocations;
mod calibration;
mod conformance;
mod data;
mod duplicates;
mod edges;
mod golden;
mod graph;
mod growing;
mod growing_records;
mod hnsw_codes;
mod ivf;
mod ivf_stored;
mod masks;
mod paged;
mod range;
mod recall;
mod rivals;
mod stored;
