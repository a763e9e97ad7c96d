//! The one conversion between protobuf and our own words, each field once.
//!
//! Parsing ends here: shapes, lengths, counts and names are checked before
//! anything is allocated for them, so that behind the door no byte string has a
//! wrong length. What the values mean is the engine's business.

mod aggregate;
mod collections;
mod explain;
mod filter;
mod indexes;
mod options;
mod rows;
mod scalar_columns;
mod scalars;
mod search;
mod snapshots;
mod vectors;

#[cfg(test)]
mod tests;

pub(crate) use aggregate::{aggregate_in, aggregated_out};
pub(crate) use collections::{
    aliases_out, applied_out, description_out, node_out, spec_in, stats_out, summaries_out,
};
pub(crate) use explain::explanation_out;
pub(crate) use filter::filter_in;
pub(crate) use options::{consistency_in, partial_ok_in, request_id_in};
pub(crate) use rows::{
    columns_in, fetch_ids_in, order_by_in, positions_out, rows_in, rows_out, update_in, upsert_in,
    write_ids_in,
};
pub(crate) use scalar_columns::new_column_in;
pub(crate) use search::{answer_out, batch_in, batch_out, search_in};
pub(crate) use snapshots::{
    create_snapshot_in, created_out, deleted_out, listed_out, progress_out, restore_snapshot_in,
    restored_out, verified_out,
};
