//! The filter language from the outside: what passes, what is refused, and why.

mod errors;
mod expressions;
mod hostile;
mod index;
#[expect(clippy::wildcard_enum_match_arm, reason = "a definition: anything else is unknown")]
#[expect(clippy::cast_possible_truncation, reason = "whole floats, and floats of 32 bits")]
mod oracle;
mod properties;
mod rows;
#[expect(clippy::cast_possible_truncation, reason = "floats of 32 bits")]
mod table;
