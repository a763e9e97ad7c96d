//! Why an index could not be made.

use vicinal_types::{Error, Stopped};

/// Why an index could not be built or opened.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The bytes are not whole vectors.
    #[error("{bytes} bytes are not whole vectors of {row_bytes} bytes each")]
    PartialVector {
        /// Bytes given.
        bytes: usize,
        /// Bytes of one vector.
        row_bytes: usize,
    },
    /// More rows than a segment may have.
    #[error(
        "{rows} rows are more than the {max} that one segment may have; cut them into segments"
    )]
    TooManyRows {
        /// Rows given.
        rows: usize,
        /// The limit.
        max: usize,
    },
    /// A build parameter out of its bounds.
    #[error("index parameter {name} is {value}, which is not between {min} and {max}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: u32,
        /// Its smallest value.
        min: u32,
        /// Its largest value.
        max: u32,
    },
    /// A stored section could not be read.
    #[error("index section {section} could not be read")]
    Unreadable {
        /// The section's kind.
        section: u32,
        /// Why.
        #[source]
        source: Error,
    },
    /// A section of a version that this build does not know.
    #[error(
        "index section {section} has format version {found}, this build reads {supported}; rebuild the index or run a newer build"
    )]
    Version {
        /// The section's kind.
        section: u32,
        /// The version found.
        found: u16,
        /// The version known.
        supported: u16,
    },
    /// A section whose content contradicts itself or the vectors.
    #[error("index section {section} is damaged: {reason}; rebuild the index")]
    Damaged {
        /// The section's kind.
        section: u32,
        /// What is wrong.
        reason: String,
    },
    /// The work was stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl From<IndexError> for Error {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::PartialVector { .. }
            | IndexError::TooManyRows { .. }
            | IndexError::Parameter { .. } => Self::invalid(error.to_string()),
            IndexError::Unreadable { ref source, .. } => {
                Self::new(source.kind(), format!("{error}: {source}"))
            }
            IndexError::Version { .. } | IndexError::Damaged { .. } => {
                Self::corrupt(error.to_string())
            }
            IndexError::Stopped(stopped) => stopped.into(),
        }
    }
}
