//! Rust source without its comments and literals, as tokens.
//!
//! Not a parser: enough to find braces, keywords and macros where they are code.

/// A word or one other character of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    /// From 1.
    pub(crate) line: usize,
    /// In bytes, in the masked text and in the original alike.
    pub(crate) offset: usize,
}

/// Replaces comments and the insides of literals by spaces; lines and offsets stay.
pub(crate) fn mask(text: &str) -> String {
    let mut masked = text.as_bytes().to_vec();
    let mut at = 0;
    while at < masked.len() {
        let end = literal_end(text, at);
        if let Some(end) = end {
            for byte in &mut masked[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
        }
        at = end.unwrap_or(at + 1);
    }
    String::from_utf8(masked).expect("comments and literals are masked whole")
}

/// Where the comment or literal that begins at `at` ends; none begins: `None`.
fn literal_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes[at] {
        b'/' if bytes[at..].starts_with(b"//") => {
            Some(text.get(at..)?.find('\n').map_or(text.len(), |length| at + length))
        }
        b'/' if bytes[at..].starts_with(b"/*") => Some(block_comment_end(bytes, at)),
        b'"' => Some(quoted_end(bytes, at, b'"')),
        b'r' => raw_string_end(text, at),
        b'\'' => char_end(text, at),
        _ => None,
    }
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at.min(bytes.len())
}

fn quoted_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// `r"…"`, `r#"…"#`; also behind `b` and `c`. Not `r#name`, not the end of a word.
fn raw_string_end(text: &str, start: usize) -> Option<usize> {
    let before = &text.as_bytes()[..start];
    let prefix = before.last().filter(|byte| matches!(byte, b'b' | b'c'));
    let outer = &before[..before.len() - usize::from(prefix.is_some())];
    if outer.last().is_some_and(|byte| is_word(*byte)) {
        return None;
    }
    let rest = &text[start + 1..];
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let body = rest[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let body_start = start + 1 + hashes + 1;
    Some(body.find(&close).map_or(text.len(), |length| body_start + length + close.len()))
}

/// A character literal; a lifetime or label is none.
fn char_end(text: &str, start: usize) -> Option<usize> {
    let rest = &text[start + 1..];
    let first = rest.chars().next()?;
    if first == '\\' {
        return Some(quoted_end(text.as_bytes(), start, b'\''));
    }
    let after = start + 1 + first.len_utf8();
    text[after..].starts_with('\'').then_some(after + 1)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Splits masked text into words and single characters.
pub(crate) fn tokens(masked: &str) -> Vec<Token<'_>> {
    let bytes = masked.as_bytes();
    let (mut found, mut line, mut at) = (Vec::new(), 1, 0);
    while at < bytes.len() {
        let start = at;
        at += masked[at..].chars().next().map_or(1, char::len_utf8);
        if is_word(bytes[start]) {
            while at < bytes.len() && is_word(bytes[at]) {
                at += 1;
            }
        }
        if bytes[start] == b'\n' {
            line += 1;
        } else if !bytes[start].is_ascii_whitespace() {
            found.push(Token { text: &masked[start..at], line, offset: start });
        }
    }
    found
}

/// The place of the token that closes the bracket at `open`.
pub(crate) fn closing(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(place);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let masked = mask(text);
        assert_eq!(masked.len(), text.len(), "offsets stay");
        let words: Vec<&str> = tokens(&masked).iter().map(|token| token.text).collect();
        assert_eq!(words, expected, "{text}");
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        check("a // b\nc", &["a", "c"]);
        check("a /* b /* c */ d */ e", &["a", "e"]);
        check(r#"f("fn {", b'{', '}', '\'', "\"{")"#, &["f", "(", ",", "b", ",", ",", ",", ")"]);
        check("r#\"fn \" {\"# x br\"{\" y", &["x", "b", "y"]);
        check(
            "let r#fn = for<'a> |x: &'a str| 'é'",
            &[
                "let", "r", "#", "fn", "=", "for", "<", "'", "a", ">", "|", "x", ":", "&", "'",
                "a", "str", "|",
            ],
        );
        check("// é\nx \"é\" y", &["x", "y"]);
    }

    #[test]
    fn unfinished_literals_end_with_the_text() {
        for text in ["\"a", "/* a", "r#\"a", "'\\", "// a"] {
            check(text, &[]);
        }
    }

    #[test]
    fn lines_are_counted_through_literals() {
        let masked = mask("\"a\nb\"\n/*\n*/ x");
        assert_eq!(tokens(&masked)[0].line, 4);
    }

    #[test]
    fn brackets_close_where_they_balance() {
        let masked = mask("f(a[1], { b }) c");
        let tokens = tokens(&masked);
        assert_eq!(closing(&tokens, 1).map(|place| tokens[place + 1].text), Some("c"));
        assert_eq!(closing(&tokens[..4], 1), None);
    }
}
