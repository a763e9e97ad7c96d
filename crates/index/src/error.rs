//! Why an index could not be made.

use vicinal_types::{ElementType, Error, ErrorKind, HnswCodes, Stopped};

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
    /// Codes that such vectors cannot have.
    #[error("codes {codes} do not go with {element} vectors; use none")]
    Codes {
        /// The codes asked for.
        codes: HnswCodes,
        /// What the vectors are made of.
        element: ElementType,
    },
    /// More memory than the system has.
    #[error(
        "{bytes} bytes for an index are more memory than the system has free; build smaller segments"
    )]
    NoMemory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// Lists or FLAT codes of vectors that have no means.
    #[error("binary vectors have neither centroids nor codes; use HNSW or FLAT without codes")]
    BinaryLists,
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
    /// A foreign engine that this build does not have.
    #[error(
        "this build does not have the engine {engine}; build it with `--features {engine}`, or declare the index with another engine"
    )]
    EngineMissing {
        /// The engine.
        engine: &'static str,
    },
    /// Vectors or parameters that a foreign engine does not take.
    #[error("the engine {engine} does not take {what}; {way_out}")]
    EngineRefuses {
        /// The engine.
        engine: &'static str,
        /// What it does not take.
        what: String,
        /// What it takes instead.
        way_out: &'static str,
    },
    /// A foreign engine failed.
    #[error("the engine {engine} could not {task}: {reason}")]
    EngineFailed {
        /// The engine.
        engine: &'static str,
        /// What it was asked to do.
        task: &'static str,
        /// What it said.
        reason: String,
    },
    /// The work was stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why a search gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// It was stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A foreign engine failed; a scan of the rows still answers.
    #[error(transparent)]
    Engine(IndexError),
}

impl From<SearchError> for Error {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Stopped(stopped) => stopped.into(),
            SearchError::Engine(error) => error.into(),
        }
    }
}

impl From<IndexError> for Error {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::PartialVector { .. }
            | IndexError::TooManyRows { .. }
            | IndexError::Parameter { .. }
            | IndexError::BinaryLists
            | IndexError::Codes { .. }
            | IndexError::EngineRefuses { .. } => Self::invalid(error.to_string()),
            IndexError::EngineMissing { .. } | IndexError::EngineFailed { .. } => {
                Self::unavailable(error.to_string())
            }
            IndexError::Unreadable { ref source, .. } => {
                Self::new(source.kind(), format!("{error}: {source}"))
            }
            IndexError::Version { .. } | IndexError::Damaged { .. } => {
                Self::corrupt(error.to_string())
            }
            IndexError::NoMemory { .. } => Self::new(ErrorKind::Exhausted, error.to_string()),
            IndexError::Stopped(stopped) => stopped.into(),
        }
    }
}
