//! Whether a text is a JSON document that a column takes.

use crate::limits;

/// Why a text is no JSON document that a column takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// More levels than [`limits::JSON_DEPTH_MAX`].
    #[error("is JSON nested deeper than {} levels", limits::JSON_DEPTH_MAX)]
    Depth,
    /// Not the grammar of JSON.
    #[error("is not JSON: {0}")]
    Grammar(String),
}

/// Checks a JSON document: depth first, without recursion, so that none can
/// exhaust the stack; then the grammar.
///
/// # Errors
/// [`JsonError`], as what the document is.
pub fn check_json(text: &str) -> Result<(), JsonError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limits::JSON_DEPTH_MAX {
            return Err(JsonError::Depth);
        }
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(JsonError::Grammar(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_checked_for_depth_and_grammar() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let says = |text: &str, what: &str| {
            check_json(text).is_err_and(|error| error.to_string().contains(what))
        };
        assert_eq!(check_json(&nested(64)), Ok(()));
        assert!(says(&nested(65), "64 levels"));
        assert!(says(&"[".repeat(60_000), "64 levels"));
        assert_eq!(check_json(r#"{"a": "[[[[\"[[["}"#), Ok(()));
        assert!(says("{a: 1}", "is not JSON"));
    }
}
