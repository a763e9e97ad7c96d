//! The only place where an error becomes a gRPC code.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use vicinal_types::{Error, ErrorKind};

/// Bytes of a message; percent-encoding may triple them, and clients take 8 KiB
/// of headers by default.
const MESSAGE_BYTES_MAX: usize = 2_048;

/// Turns an error into what the client sees: its code and its sentence.
///
/// Causes stay in the log: they speak of files and of ourselves.
pub(crate) fn status(error: &Error) -> Status {
    let code = code(error.kind());
    if is_ours(code) {
        tracing::warn!(%code, error = %error, "request failed");
    }
    let message = shortened(error.message());
    match error.retry_hint() {
        Some(wait) => {
            Status::with_error_details(code, message, ErrorDetails::with_retry_info(Some(wait)))
        }
        None => Status::new(code, message),
    }
}

/// The message, cut off where a hostile name would make the headers too large.
fn shortened(message: &str) -> String {
    if message.len() <= MESSAGE_BYTES_MAX {
        return message.to_owned();
    }
    let start = &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)];
    format!("{start}… ({} bytes)", message.len())
}

/// The code for each kind of error.
fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Invalid => Code::InvalidArgument,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::Conflict => Code::Aborted,
        ErrorKind::Exhausted => Code::ResourceExhausted,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Deadline => Code::DeadlineExceeded,
        ErrorKind::Cancelled => Code::Cancelled,
        ErrorKind::Corrupt => Code::DataLoss,
        ErrorKind::Internal => Code::Internal,
    }
}

/// Whether a code means that something is wrong with this node, not with the request.
pub(crate) fn is_ours(code: Code) -> bool {
    matches!(code, Code::Internal | Code::DataLoss | Code::Unknown)
}

/// The code's name as the gRPC documentation spells it, for metrics and logs.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_code_and_keeps_its_sentence() {
        let check = |error: Error, expected: Code| {
            let status = status(&error);
            assert_eq!(status.code(), expected);
            assert_eq!(status.message(), error.message());
        };
        check(Error::invalid("a"), Code::InvalidArgument);
        check(Error::not_found("b"), Code::NotFound);
        check(Error::already_exists("c"), Code::AlreadyExists);
        check(Error::conflict("d"), Code::Aborted);
        check(Error::exhausted("e"), Code::ResourceExhausted);
        check(Error::unavailable("f"), Code::Unavailable);
        check(Error::deadline("g"), Code::DeadlineExceeded);
        check(Error::cancelled("h"), Code::Cancelled);
        check(Error::corrupt("i"), Code::DataLoss);
        check(Error::internal("j"), Code::Internal);
    }

    #[test]
    fn a_hint_when_to_come_again_travels_as_retry_info() {
        let wait = std::time::Duration::from_millis(1_500);
        let shown = status(&Error::exhausted("full").retry_after(wait));
        assert_eq!((shown.code(), shown.message()), (Code::ResourceExhausted, "full"));
        let info = shown.get_details_retry_info().expect("a hint");
        assert_eq!(info.retry_delay, Some(wait));
        assert!(status(&Error::exhausted("full")).get_details_retry_info().is_none());
    }

    #[test]
    fn giant_names_do_not_make_giant_headers() {
        let name = "ä".repeat(1 << 20);
        let shown = status(&Error::not_found(format!("there is no collection `{name}`")));
        assert!(shown.message().len() < 3_000 && shown.message().ends_with("bytes)"));
    }

    #[test]
    fn causes_are_not_shown_to_clients() {
        let cause = std::io::Error::other("/secret/path");
        let shown = status(&Error::corrupt("segment 3 cannot be read").caused_by(cause));
        assert_eq!(shown.message(), "segment 3 cannot be read");
    }
}
