//! Hostile stored bytes against every decoder.
//!
//! A target is a function of bytes that must return, whatever they are. It does
//! not take them for a file: that would test checksums only. They are a list of
//! [`Edit`](edits::Edit)s to something valid that the target has made itself, and
//! checksums are made right again behind them; no edits are a valid store.
//!
//! `make fuzz` runs the targets in libFuzzer, which looks for edits that reach
//! code not yet reached; the tests beside this run some thousand random ones.

mod edits;
mod engine;
mod files;
mod index;
mod scalar;

pub use engine::engine;
pub use files::files;
pub use index::index;
pub use scalar::scalar;
