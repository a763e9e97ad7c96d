//! Why a command did not do what it was asked.

use std::fmt;
use std::path::Path;

/// The one line that a user reads, or the wish to end quietly.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A sentence that says what to do.
    Message(String),
    /// What this machine lacks: there is no GPU to be used.
    NoDevice(String),
    /// Whoever read the output went away (`vicinal list | head`): no error.
    OutputClosed,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }

    /// What went wrong with a file.
    pub(crate) fn file(path: &Path, error: impl fmt::Display) -> Self {
        Self::Message(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // One line, whatever a library put into its message.
            Self::Message(message) | Self::NoDevice(message) => {
                let lines: Vec<_> = message.lines().map(str::trim).collect();
                f.write_str(&lines.join(" "))
            }
            Self::OutputClosed => f.write_str("the output was closed"),
        }
    }
}

impl From<vicinal_client::Error> for Failure {
    fn from(error: vicinal_client::Error) -> Self {
        Self::Message(error.to_string())
    }
}

impl From<vicinal_types::Error> for Failure {
    fn from(error: vicinal_types::Error) -> Self {
        Self::Message(error.to_string())
    }
}

impl From<crate::source::SourceError> for Failure {
    fn from(error: crate::source::SourceError) -> Self {
        Self::Message(error.to_string())
    }
}
