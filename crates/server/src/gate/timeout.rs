//! The `grpc-timeout` header: a number of at most eight digits and a unit.

use http::HeaderMap;
use std::time::Duration;
use tonic::Status;

/// How long the caller waits, if the header says so.
pub(crate) fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    parse(text).map(Some).ok_or_else(|| {
        Status::invalid_argument(format!(
            "header grpc-timeout {text:?} is not 1 to 8 digits and one of H, M, S, m, u, n"
        ))
    })
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_a_unit() {
        let check =
            |text: &str, expected: Option<Duration>| assert_eq!(parse(text), expected, "{text}");
        check("1H", Some(Duration::from_secs(3_600)));
        check("2M", Some(Duration::from_secs(120)));
        check("3S", Some(Duration::from_secs(3)));
        check("40m", Some(Duration::from_millis(40)));
        check("500000u", Some(Duration::from_millis(500)));
        check("99999999n", Some(Duration::from_nanos(99_999_999)));
        check("", None);
        check("S", None);
        check("5", None);
        check("+5S", None);
        check("123456789S", None);
        check("5é", None);
    }
}
