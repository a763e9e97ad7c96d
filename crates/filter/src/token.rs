//! A text as words, values and symbols.

use crate::error::{FilterError, Span};
use vicinal_types::limits;

/// The smallest part of a filter's text that means something.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    /// A name, keyword or function.
    Word(&'a str),
    /// A name between backticks.
    Quoted(&'a str),
    /// The content of a string.
    Text(String),
    /// An integer without a sign.
    Int(u64),
    /// A finite float without a sign.
    Float(f64),
    /// The name between braces.
    Parameter(&'a str),
    /// An operator, bracket or comma; `==`, `<>`, `&&`, `||` and `!` in their
    /// other spelling.
    Symbol(&'static str),
    /// Behind everything else.
    End,
}

/// Symbols as they are written and what they mean; longer ones first.
const SYMBOLS: [(&str, &str); 21] = [
    ("==", "="),
    ("!=", "!="),
    ("<>", "!="),
    ("<=", "<="),
    (">=", ">="),
    ("&&", "and"),
    ("||", "or"),
    ("=", "="),
    ("<", "<"),
    (">", ">"),
    ("!", "not"),
    ("(", "("),
    (")", ")"),
    ("[", "["),
    ("]", "]"),
    (",", ","),
    ("+", "+"),
    ("-", "-"),
    ("*", "*"),
    ("/", "/"),
    ("%", "%"),
];

/// Cuts a text into tokens, with `End` as the last.
///
/// # Errors
/// At the first character that begins no token, a string or number that is wrong, or
/// where the text is longer than the limits.
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token<'_>, Span)>, FilterError> {
    let (len, max) = (text.len(), limits::FILTER_BYTES_MAX);
    if len > max {
        let what = format!(
            "the filter has {len} bytes, the limit is {max}; give long lists as parameters"
        );
        return Err(FilterError::new(text, 0..1, what));
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut found = Vec::new();
    loop {
        lexer.skip_space();
        let start = lexer.at;
        let token = lexer.token()?;
        let is_end = token == Token::End;
        found.push((token, start..lexer.at));
        if is_end {
            return Ok(found);
        }
        let max = limits::FILTER_TOKENS_MAX;
        if found.len() > max {
            let what = format!(
                "the filter has more than {max} words, values and symbols; give long lists as \
                 parameters"
            );
            return Err(FilterError::new(text, start..lexer.at, what));
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn fail<T>(&self, start: usize, what: impl Into<String>) -> Result<T, FilterError> {
        Err(FilterError::new(self.text, start..self.at, what))
    }

    fn token(&mut self) -> Result<Token<'a>, FilterError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        let second = rest[first.len_utf8()..].chars().next().unwrap_or(' ');
        match first {
            '\'' | '"' => self.string(first),
            'r' | 'R' if matches!(second, '\'' | '"') => self.raw_string(second),
            '`' => Ok(Token::Quoted(self.enclosed('`', "a name")?)),
            '{' => self.parameter(),
            '0'..='9' => self.number(),
            '.' if second.is_ascii_digit() => self.number(),
            _ if is_word_start(first) => Ok(Token::Word(self.word())),
            _ => self.symbol(first),
        }
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !is_word_start(c) && !c.is_ascii_digit() && c != '.');
        let word = &rest[..end.unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn symbol(&mut self, first: char) -> Result<Token<'a>, FilterError> {
        let rest = self.rest();
        if let Some((written, meant)) = SYMBOLS.iter().find(|(symbol, _)| rest.starts_with(symbol))
        {
            self.at += written.len();
            return Ok(Token::Symbol(meant));
        }
        let start = self.at;
        self.at += first.len_utf8();
        self.fail(start, format!("{first:?} means nothing here; strings stand in quotes"))
    }

    /// What stands between the character here and `close`.
    fn enclosed(&mut self, close: char, what: &str) -> Result<&'a str, FilterError> {
        let start = self.at;
        let inner = &self.rest()[1..];
        let Some(len) = inner.find(close) else {
            self.at = self.text.len();
            return self.fail(start, format!("{what} is not closed with `{close}`"));
        };
        self.at += len + 2;
        if inner[..len].trim().is_empty() {
            return self.fail(start, format!("{what} has no name"));
        }
        Ok(&inner[..len])
    }

    fn parameter(&mut self) -> Result<Token<'a>, FilterError> {
        let start = self.at;
        let name = self.enclosed('}', "a parameter")?.trim();
        if !is_parameter_name(name) {
            return self.fail(start, "a parameter's name has letters, digits and `_` only");
        }
        Ok(Token::Parameter(name))
    }

    fn raw_string(&mut self, quote: char) -> Result<Token<'a>, FilterError> {
        let start = self.at;
        let inner = &self.rest()[2..];
        let Some(len) = inner.find(quote) else {
            self.at = self.text.len();
            return self.fail(start, format!("the string is not closed with {quote}"));
        };
        self.at += len + 3;
        Ok(Token::Text(inner[..len].to_owned()))
    }

    fn string(&mut self, quote: char) -> Result<Token<'a>, FilterError> {
        let start = self.at;
        let mut content = String::new();
        self.at += 1;
        while let Some(c) = self.rest().chars().next() {
            self.at += c.len_utf8();
            match c {
                '\\' => self.escape(&mut content)?,
                _ if c != quote => content.push(c),
                // A doubled quote is one, as in SQL.
                _ if self.rest().starts_with(quote) => {
                    self.at += 1;
                    content.push(quote);
                }
                _ => return Ok(Token::Text(content)),
            }
        }
        self.fail(start, format!("the string is not closed with {quote}"))
    }

    /// What stands behind a backslash.
    fn escape(&mut self, content: &mut String) -> Result<(), FilterError> {
        let start = self.at - 1;
        let Some(c) = self.rest().chars().next() else { return Ok(()) };
        self.at += c.len_utf8();
        match c {
            '\\' | '\'' | '"' | '/' => content.push(c),
            'n' => content.push('\n'),
            't' => content.push('\t'),
            'r' => content.push('\r'),
            '0' => content.push('\0'),
            // Wildcards of `like` keep their backslash, as in MySQL.
            '%' | '_' => content.extend(['\\', c]),
            'u' => content.push(self.unicode(start)?),
            _ => {
                let what = format!(
                    "`\\{c}` is no escape; write `\\\\` for a backslash, or r'…' where none \
                     is an escape"
                );
                return self.fail(start, what);
            }
        }
        Ok(())
    }

    /// The character of `\u0041` or `\u{41}`.
    fn unicode(&mut self, start: usize) -> Result<char, FilterError> {
        let rest = self.rest();
        let (digits, len) = match rest.strip_prefix('{') {
            Some(inner) => {
                let len = inner.find('}').unwrap_or(0);
                (&inner[..len], len + 2)
            }
            None => (rest.get(..4).unwrap_or_default(), 4),
        };
        let is_hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let code = if is_hex { u32::from_str_radix(digits, 16).ok() } else { None };
        match code.and_then(char::from_u32) {
            Some(c) => {
                self.at += len;
                Ok(c)
            }
            None => {
                self.fail(start, "a character by its number is \\u0041 or \\u{41}, no surrogate")
            }
        }
    }

    fn number(&mut self) -> Result<Token<'a>, FilterError> {
        let start = self.at;
        let rest = self.rest().as_bytes();
        let digits = |from: usize| rest[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut len = digits(0);
        let is_digit = |at: usize| rest.get(at).is_some_and(u8::is_ascii_digit);
        let mut is_float = false;
        if rest.get(len) == Some(&b'.') && is_digit(len + 1) {
            is_float = true;
            len += 1 + digits(len + 1);
        }
        if matches!(rest.get(len), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(rest.get(len + 1), Some(b'+' | b'-')));
            if is_digit(len + 1 + sign) {
                is_float = true;
                len += 1 + sign + digits(len + 1 + sign);
            }
        }
        self.at += len;
        let spelled = &self.text[start..self.at];
        if self.rest().starts_with(|c: char| is_word_start(c) || c == '.') {
            self.word();
            return self.fail(start, "a number is followed by letters; put a name in backticks");
        }
        if is_float {
            return match spelled.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Token::Float(value)),
                Ok(_) | Err(_) => self.fail(start, "the number is larger than any 64-bit float"),
            };
        }
        match spelled.parse() {
            Ok(value) => Ok(Token::Int(value)),
            Err(_) => self.fail(
                start,
                "the integer is larger than 64 bits hold; write it with `.0` for a float",
            ),
        }
    }
}

/// Whether `{name}` is a parameter.
pub(crate) fn is_parameter_name(name: &str) -> bool {
    name.starts_with(is_word_start) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a name can start with this without backticks.
pub(crate) fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}
