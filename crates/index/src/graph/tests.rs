//! What the graph promises beyond finding rows.
