//! What can go wrong between a caller and the server.

use std::error::Error as _;
use tonic::{Code, Status};

/// Why a call failed: one sentence, and a code to act on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one.
    #[error("`{address}` is not an address: {reason}; write host:port, for example 127.0.0.1:7878")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers at the address, or the connection broke.
    #[error(
        "cannot reach the server at {address}: {reason}; check that it runs (`vicinal serve`) and the address"
    )]
    Unreachable {
        /// Where the server was expected.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// The answer did not come in time.
    #[error("no answer from {address} in time; allow a longer timeout or ask for less")]
    Timeout {
        /// Where the server is.
        address: String,
    },
    /// The server refused.
    #[error("{message}")]
    Refused {
        /// Its gRPC code.
        code: Code,
        /// Its sentence.
        message: String,
    },
    /// The request was wrong before it was sent.
    #[error("{0}")]
    Invalid(String),
    /// The answer does not keep the protocol.
    #[error(
        "the answer from {address} is not what the protocol says: {reason}; are client and server of one version?"
    )]
    Answer {
        /// Where the server is.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The gRPC code that says what to do about it.
    pub fn code(&self) -> Code {
        match self {
            Self::Address { .. } | Self::Invalid(_) => Code::InvalidArgument,
            Self::Unreachable { .. } => Code::Unavailable,
            Self::Timeout { .. } => Code::DeadlineExceeded,
            Self::Refused { code, .. } => *code,
            Self::Answer { .. } => Code::Internal,
        }
    }

    /// Tells what the server said from what happened on the way to it.
    ///
    /// A status that came over the wire has no source; one that tonic made up
    /// has the failure of the connection as its source.
    pub(crate) fn from_status(status: &Status, address: &str) -> Self {
        let address = address.to_owned();
        let Some(source) = status.source() else {
            return Self::Refused { code: status.code(), message: sentence(status) };
        };
        if chain(source).any(|cause| cause.is::<tonic::TimeoutExpired>()) {
            return Self::Timeout { address };
        }
        let code = status.code();
        let is_broken =
            matches!(code, Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled);
        if is_broken {
            return Self::Unreachable { address, reason: root(source) };
        }
        Self::Refused { code, message: sentence(status) }
    }
}

/// The server's sentence, or the code's own description if it sent none.
fn sentence(status: &Status) -> String {
    match status.message() {
        "" => status.code().to_string(),
        message => message.to_owned(),
    }
}

fn chain<'a>(
    first: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(first), |&error| error.source())
}

/// The innermost cause: the one that names what happened.
pub(crate) fn root(error: &(dyn std::error::Error + 'static)) -> String {
    chain(error).last().map_or_else(String::new, ToString::to_string)
}
