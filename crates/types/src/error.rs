//! The one error of the upper crates: a kind to act on, a sentence to read.

use std::fmt;
use std::time::Duration;

/// What the caller should do next. Failures that call for the same reaction
/// share a kind; the message tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Correct the request; repeating it cannot succeed.
    Invalid,
    /// The named thing does not exist.
    NotFound,
    /// The named thing exists already.
    AlreadyExists,
    /// Someone changed it first: read again, then decide.
    Conflict,
    /// A limit was reached: ask for less, or later.
    Exhausted,
    /// This node cannot serve it now: retry, or ask another replica.
    Unavailable,
    /// The request's deadline passed before the answer was ready.
    Deadline,
    /// The caller went away.
    Cancelled,
    /// Stored bytes are damaged: restore them from a replica or a snapshot.
    Corrupt,
    /// Our bug: report the message.
    Internal,
}

/// An error with its kind, one sentence for the reader, and its cause.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    retry_after: Option<Duration>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of everything that can fail from `engine` upwards.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! constructors {
    ($($name:ident => $kind:ident),* $(,)?) => {
        $(
            #[doc = concat!("Makes an error of kind [`ErrorKind::", stringify!($kind), "`].")]
            pub fn $name(message: impl Into<String>) -> Self {
                Self::new(ErrorKind::$kind, message)
            }
        )*
    };
}

impl Error {
    /// Makes an error; the message is one lower-case sentence naming the thing,
    /// the value, the limit and the way out.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None, source: None }
    }

    constructors! {
        invalid => Invalid,
        not_found => NotFound,
        already_exists => AlreadyExists,
        conflict => Conflict,
        exhausted => Exhausted,
        unavailable => Unavailable,
        deadline => Deadline,
        cancelled => Cancelled,
        corrupt => Corrupt,
        internal => Internal,
    }

    /// Keeps what caused this error, for logs and `source()`.
    #[must_use]
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Says when the same request may succeed.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// When the same request may succeed, if that is known.
    pub fn retry_hint(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What the caller should do next.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for the reader, without its causes.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}
