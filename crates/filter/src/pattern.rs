//! Patterns of strings: `like` and regular expressions, in time linear in the string.

use memchr::memmem::Finder;
use regex::bytes;
use vicinal_types::limits;

/// A regular expression. Two are equal if they are spelled alike.
#[derive(Clone, Debug)]
pub struct Regex {
    pattern: String,
    compiled: bytes::Regex,
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The sentence that says what is wrong with it.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        let max = limits::FILTER_PATTERN_BYTES_MAX;
        let compiled = bytes::RegexBuilder::new(pattern)
            .size_limit(max)
            .dfa_size_limit(max)
            .nest_limit(64)
            .build();
        match compiled {
            Ok(compiled) => Ok(Self { pattern: pattern.to_owned(), compiled }),
            Err(regex::Error::CompiledTooBig(_)) => {
                Err(format!("the pattern takes more than {max} bytes when compiled; shorten it"))
            }
            Err(error) => {
                let text = error.to_string();
                // The library draws the place over several lines; its last line says why.
                let why = text.lines().last().unwrap_or_default();
                let why = why.trim_start_matches("error: ");
                Err(format!("the pattern is no regular expression: {why}"))
            }
        }
    }

    /// How it is spelled.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Whether it finds something in a text.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.compiled.is_match(text)
    }
}

/// The pattern of a `like`: strings that follow each other, with anything between them.
#[derive(Clone, Debug)]
pub struct Like {
    prefix: String,
    middle: Vec<String>,
    suffix: String,
    search: Search,
}

#[derive(Clone, Debug)]
enum Search {
    /// For each string of the middle.
    Finders(Vec<Finder<'static>>),
    /// With `_` somewhere.
    Regex(Regex),
}

impl PartialEq for Like {
    fn eq(&self, other: &Self) -> bool {
        let spelled = |like: &Self| match &like.search {
            Search::Finders(_) => None,
            Search::Regex(regex) => Some(regex.pattern.clone()),
        };
        (&self.prefix, &self.middle, &self.suffix) == (&other.prefix, &other.middle, &other.suffix)
            && spelled(self) == spelled(other)
    }
}

/// What a pattern asks for.
pub(crate) enum LikeShape {
    /// No wildcard: the whole string.
    Whole(String),
    /// A `%` at the end and nowhere else.
    Prefix(String),
    /// Anything else.
    Pattern(Like),
}

/// A part of a pattern.
enum Part {
    Literal(String),
    /// `_`
    One,
    /// `%`
    Any,
}

impl Like {
    /// Reads a pattern: `%` is any text, `_` any character, `escape` takes the meaning
    /// from what follows it.
    ///
    /// # Errors
    /// The sentence that says what is wrong with it.
    pub(crate) fn shape(pattern: &str, escape: char) -> Result<LikeShape, String> {
        let mut parts = parts(pattern, escape)?;
        if let [] | [Part::Literal(_)] = parts[..] {
            return Ok(LikeShape::Whole(match parts.pop() {
                Some(Part::Literal(whole)) => whole,
                Some(Part::One | Part::Any) | None => String::new(),
            }));
        }
        if let [Part::Any] = parts[..] {
            return Ok(LikeShape::Prefix(String::new()));
        }
        if let [Part::Literal(prefix), Part::Any] = &mut parts[..] {
            return Ok(LikeShape::Prefix(std::mem::take(prefix)));
        }
        if parts.iter().any(|part| matches!(part, Part::One)) {
            return Ok(LikeShape::Pattern(Self::with_single(&parts)?));
        }
        let mut literals: Vec<String> = Vec::new();
        let starts_open = matches!(parts.first(), Some(Part::Any));
        let ends_open = matches!(parts.last(), Some(Part::Any));
        for part in parts {
            if let Part::Literal(literal) = part {
                literals.push(literal);
            }
        }
        let suffix = if ends_open { None } else { literals.pop() };
        let prefix =
            if starts_open || literals.is_empty() { None } else { Some(literals.remove(0)) };
        let finders = literals.iter().map(|text| Finder::new(text.as_bytes()).into_owned());
        Ok(LikeShape::Pattern(Self {
            search: Search::Finders(finders.collect()),
            prefix: prefix.unwrap_or_default(),
            middle: literals,
            suffix: suffix.unwrap_or_default(),
        }))
    }

    /// A pattern with `_`, which a regular expression answers.
    fn with_single(parts: &[Part]) -> Result<Self, String> {
        let mut pattern = String::from(r"(?s)\A");
        for part in parts {
            match part {
                Part::Literal(text) => pattern.push_str(&regex::escape(text)),
                Part::One => pattern.push('.'),
                Part::Any => pattern.push_str(".*"),
            }
        }
        pattern.push_str(r"\z");
        let literal = |part: Option<&Part>| match part {
            Some(Part::Literal(text)) => text.clone(),
            Some(Part::One | Part::Any) | None => String::new(),
        };
        let inner = parts.get(1..parts.len() - 1).unwrap_or_default();
        let middle = inner.iter().map(|part| literal(Some(part)));
        Ok(Self {
            prefix: literal(parts.first()),
            middle: middle.filter(|text| !text.is_empty()).collect(),
            suffix: literal(parts.last()),
            search: Search::Regex(Regex::new(&pattern)?),
        })
    }

    /// What a string that is like this begins with; may be empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What it contains behind its prefix, in this order.
    pub fn middle(&self) -> &[String] {
        &self.middle
    }

    /// What it ends with; may be empty.
    pub fn suffix(&self) -> &str {
        &self.suffix
    }

    /// The search for the one string that a text must contain, if that is all.
    pub(crate) fn only_contains(&self) -> Option<&Finder<'static>> {
        match &self.search {
            Search::Finders(finders) if self.prefix.is_empty() && self.suffix.is_empty() => {
                if let [only] = &finders[..] {
                    Some(only)
                } else {
                    None
                }
            }
            Search::Finders(_) | Search::Regex(_) => None,
        }
    }

    /// Whether a text is like this.
    pub fn is_match(&self, text: &[u8]) -> bool {
        let finders = match &self.search {
            Search::Regex(regex) => return regex.is_match(text),
            Search::Finders(finders) => finders,
        };
        let rest = text.strip_prefix(self.prefix.as_bytes());
        let Some(mut rest) = rest.and_then(|rest| rest.strip_suffix(self.suffix.as_bytes())) else {
            return false;
        };
        for finder in finders {
            let Some(at) = finder.find(rest) else { return false };
            rest = &rest[at + finder.needle().len()..];
        }
        true
    }
}

/// Cuts a pattern at its wildcards; neighbouring `%` are one.
fn parts(pattern: &str, escape: char) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        let wildcard = match c {
            _ if c == escape => {
                let Some(next) = characters.next() else {
                    return Err(format!("the pattern ends with its escape character {escape:?}"));
                };
                literal.push(next);
                continue;
            }
            '%' => Part::Any,
            '_' => Part::One,
            _ => {
                literal.push(c);
                continue;
            }
        };
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        if !matches!((&wildcard, parts.last()), (Part::Any, Some(Part::Any))) {
            parts.push(wildcard);
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}
