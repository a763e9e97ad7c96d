//! What is wrong with a filter, and where in its text.

use std::fmt;
use std::ops::Range;

/// Characters of the text that an error shows.
const EXCERPT_CHARS_MAX: usize = 76;

/// Bytes of a text that something stands in.
pub(crate) type Span = Range<usize>;

/// Why a text is no filter of a collection: one sentence, and the place.
///
/// It prints as two more lines: the place's line of the text, and carets below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    message: String,
    line: usize,
    column: usize,
    excerpt: String,
    carets: String,
}

impl FilterError {
    /// An error about `span` of `text`.
    pub(crate) fn new(text: &str, span: Span, message: impl Into<String>) -> Self {
        let at = floor(text, span.start);
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line_text = text[line_start..].split('\n').next().unwrap_or_default();
        let before = text[line_start..at].chars().count();
        let line_chars = line_text.chars().count();
        let end = floor(text, span.end.max(at)).min(line_start + line_text.len());
        let marked = text.get(at..end).map_or(0, |marked| marked.chars().count());
        let first = (before + marked.min(EXCERPT_CHARS_MAX / 2) + EXCERPT_CHARS_MAX / 4)
            .min(line_chars)
            .saturating_sub(EXCERPT_CHARS_MAX)
            .min(before);
        let cut_before = if first > 0 { "…" } else { "" };
        let cut_after = if line_chars > first + EXCERPT_CHARS_MAX { "…" } else { "" };
        let shown = line_text.chars().skip(first).take(EXCERPT_CHARS_MAX);
        let shown: String = shown.map(|c| if c.is_control() { ' ' } else { c }).collect();
        let room = (EXCERPT_CHARS_MAX - (before - first).min(EXCERPT_CHARS_MAX)).max(1);
        let indent = before - first + cut_before.chars().count();
        Self {
            message: message.into(),
            line: text[..line_start].matches('\n').count() + 1,
            column: before + 1,
            excerpt: format!("{cut_before}{shown}{cut_after}"),
            carets: format!("{}{}", " ".repeat(indent), "^".repeat(marked.clamp(1, room))),
        }
    }

    /// The sentence, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The line of the text, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The character of the line, from 1.
    pub fn column(&self) -> usize {
        self.column
    }
}

/// The start of the character that `at` is in.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, line, column, excerpt, carets } = self;
        write!(f, "filter, line {line}, column {column}: {message}\n  {excerpt}\n  {carets}")
    }
}

impl std::error::Error for FilterError {}

impl From<FilterError> for vicinal_types::Error {
    fn from(error: FilterError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// " did you mean …" for the nearest of `names`, if one is near.
pub(crate) fn suggestion<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let lower = name.to_lowercase();
    let distance = |other: &str| strsim::osa_distance(&lower, &other.to_lowercase());
    let nearest = names.map(|other| (distance(other), other)).min();
    let most = name.chars().count() / 3 + 1;
    match nearest {
        Some((distance, other)) if distance <= most => format!("; did you mean `{other}`?"),
        Some(_) | None => String::new(),
    }
}
