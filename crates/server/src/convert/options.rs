//! Options of reads and writes.

use vicinal_api::v1;
use vicinal_types::{Consistency, Error, RequestId, Result};

/// The request id, if the caller chose one.
pub(crate) fn request_id_in(options: Option<&v1::WriteOptions>) -> Result<Option<RequestId>> {
    let bytes = options.map_or(&[][..], |options| &options.request_id);
    if bytes.is_empty() {
        return Ok(None);
    }
    let id = bytes.try_into().map_err(|_| {
        let len = bytes.len();
        Error::invalid(format!("request_id has {len} bytes; it takes 16, or none"))
    })?;
    Ok(Some(RequestId(id)))
}

/// How fresh a read must be; the one node there is honours every level, and
/// what was acknowledged here is visible here, whatever the session holds.
pub(crate) fn consistency_in(options: Option<&v1::ReadOptions>) -> Result<Consistency> {
    let number = options.map_or(0, |options| options.consistency);
    match v1::Consistency::try_from(number) {
        Ok(v1::Consistency::Unspecified | v1::Consistency::Strong) => Ok(Consistency::Strong),
        Ok(v1::Consistency::Session) => Ok(Consistency::Session),
        Ok(v1::Consistency::Bounded) => Ok(Consistency::Bounded),
        Ok(v1::Consistency::Eventual) => Ok(Consistency::Eventual),
        Err(_) => Err(Error::invalid(format!("{number} is no Consistency; use 0 to 4"))),
    }
}

/// Whether an answer without the rows of damaged segments is welcome.
pub(crate) fn partial_ok_in(options: Option<&v1::ReadOptions>) -> bool {
    options.is_some_and(|options| options.partial_ok)
}
