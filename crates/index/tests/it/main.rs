//! The index crate from outside: recall, masks, duplicates, stored bytes.

mod calibration;
mod data;
mod duplicates;
mod edges;
mod golden;
mod masks;
mod recall;
mod stored;
