//! Tests of scalar indexes: they answer as the column does, and bytes that are none of
//! theirs are refused.

mod agreement;
mod choice;
mod columns;
mod hostile;
