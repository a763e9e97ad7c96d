//! How long files and functions are, and that each file says what it is.

use crate::offence::Offence;
use crate::source::{Token, closing, mask, tokens};

/// Lines of a file; aim at 400.
const FILE_LINES_MAX: usize = 600;

/// Lines of a function: a screen.
const FUNCTION_LINES_MAX: usize = 60;

/// A file that tells more than one story.
pub(crate) fn long_file(path: &str, text: &str) -> Vec<Offence> {
    let lines = text.lines().count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let what = format!("{lines} lines, at most {FILE_LINES_MAX}: split it by noun");
    vec![Offence::new(path, lines, what)]
}

/// A file whose first line does not say what it is.
pub(crate) fn no_doc(path: &str, text: &str) -> Vec<Offence> {
    if text.starts_with("//! ") {
        return Vec::new();
    }
    vec![Offence::new(path, 1, "the first line must be a `//!` doc: one sentence on the file")]
}

/// Functions that do not fit a screen.
pub(crate) fn long_functions(path: &str, text: &str) -> Vec<Offence> {
    let masked = mask(text);
    let tokens = tokens(&masked);
    let starts = tokens.windows(2).enumerate();
    let functions = starts.filter(|(_, pair)| pair[0].text == "fn" && is_name(pair[1].text));
    functions.filter_map(|(place, pair)| long_function(path, &tokens[place..], pair[1])).collect()
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The function at the start of `tokens`, if it is too long; declarations have no body.
fn long_function(path: &str, tokens: &[Token<'_>], name: Token<'_>) -> Option<Offence> {
    let open = body(tokens)?;
    let close = closing(tokens, open)?;
    let lines = tokens[close].line - tokens[0].line + 1;
    let what = format!(
        "`{}` has {lines} lines, at most {FUNCTION_LINES_MAX}: keep the branches, name the rest",
        name.text
    );
    (lines > FUNCTION_LINES_MAX).then(|| Offence::new(path, tokens[0].line, what))
}

/// The place of the brace that opens the body.
fn body(tokens: &[Token<'_>]) -> Option<usize> {
    let mut at = 0;
    loop {
        match tokens.get(at)?.text {
            "{" => return Some(at),
            ";" => return None,
            "(" | "[" => at = closing(tokens, at)? + 1,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offence::lines;

    fn function(lines: usize) -> String {
        format!("fn f(a: [u8; 2]) {{\n{}}}\n", "    // {\n".repeat(lines - 2))
    }

    #[test]
    fn file_of_601_lines_is_too_long() {
        assert!(long_file("a.rs", &"\n".repeat(600)).is_empty());
        assert_eq!(lines(&long_file("a.rs", &"\n".repeat(601))), [601]);
    }

    #[test]
    fn file_without_its_doc_is_found() {
        assert!(no_doc("a.rs", "//! What it is.\n").is_empty());
        for text in ["", "use a;\n", "// No doc.\n", "\n//! Late.\n"] {
            assert_eq!(lines(&no_doc("a.rs", text)), [1], "{text}");
        }
    }

    #[test]
    fn function_of_61_lines_is_too_long() {
        assert!(long_functions("a.rs", &function(60)).is_empty());
        assert_eq!(lines(&long_functions("a.rs", &format!("\n{}", function(61)))), [2]);
    }

    #[test]
    fn declarations_and_pointers_have_no_length() {
        let text = format!("fn f();\ntype F = fn(u8) -> u8;\n{}struct S {{}}\n", "\n".repeat(99));
        assert!(long_functions("a.rs", &text).is_empty());
    }
}
