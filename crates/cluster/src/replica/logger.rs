//! Raft logs through slog; this hands its lines on to tracing.

use slog::{Drain, KV, Level, OwnedKVList, Record, Serializer};
use std::convert::Infallible;
use std::fmt::{Arguments, Write};

/// Raft narrates elections at INFO, which for thousands of groups of one is
/// noise: everything below a warning becomes DEBUG, and nothing is formatted
/// that nobody listens to.
pub(super) struct TracingDrain;

impl Drain for TracingDrain {
    type Ok = ();
    type Err = Infallible;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Infallible> {
        let level = match record.level() {
            Level::Critical | Level::Error => tracing::Level::ERROR,
            Level::Warning => tracing::Level::WARN,
            Level::Info | Level::Debug => tracing::Level::DEBUG,
            Level::Trace => tracing::Level::TRACE,
        };
        if tracing::level_filters::LevelFilter::current() < level {
            return Ok(());
        }
        let mut fields = Fields(String::new());
        // Writing into a string does not fail.
        let _: slog::Result = record.kv().serialize(record, &mut fields);
        let _: slog::Result = values.serialize(record, &mut fields);
        let (message, fields) = (record.msg(), fields.0);
        match record.level() {
            Level::Critical | Level::Error => tracing::error!(target: "raft", fields, "{message}"),
            Level::Warning => tracing::warn!(target: "raft", fields, "{message}"),
            Level::Info | Level::Debug => tracing::debug!(target: "raft", fields, "{message}"),
            Level::Trace => tracing::trace!(target: "raft", fields, "{message}"),
        }
        Ok(())
    }
}

/// `key=value` pairs, separated by spaces.
struct Fields(String);

impl Serializer for Fields {
    fn emit_arguments(&mut self, key: slog::Key, value: &Arguments<'_>) -> slog::Result {
        let separator = if self.0.is_empty() { "" } else { " " };
        write!(self.0, "{separator}{key}={value}")?;
        Ok(())
    }
}
