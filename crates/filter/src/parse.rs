//! From tokens to a tree, with two stacks and no recursion.
//!
//! Operands that are complete wait on one stack, operators and brackets that are not
//! on the other. An operator completes those before it that bind at least as strongly.

use crate::error::{FilterError, Span, suggestion};
use crate::grammar::{KEYWORDS, Precedence, infix_operator, keyword, precedence};
use crate::time;
use crate::token::{Token, tokens};
use crate::tree::{FUNCTIONS, Node, NodeKind, Operator};
use crate::value::Value;
use vicinal_types::limits;

/// Reads a filter.
///
/// # Errors
/// At the token that does not fit.
pub(crate) fn parse(text: &str) -> Result<Node, FilterError> {
    let tokens = tokens(text)?;
    let mut parser =
        Parser { text, tokens, at: 0, operands: Vec::new(), pending: Vec::new(), open: 0 };
    let mut wants_operand = true;
    loop {
        wants_operand = if wants_operand {
            parser.operand()?
        } else {
            match parser.operator()? {
                Next::Operand => true,
                Next::Operator => false,
                Next::Done(root) => return Ok(root),
            }
        };
    }
}

/// What is to be read.
enum Next {
    Operand,
    Operator,
    Done(Node),
}

/// What is not complete yet.
struct Pending {
    kind: Kind,
    /// How many operands an operator has or is about to have.
    count: usize,
    /// Whether there is a `not` in its middle.
    is_negated: bool,
    span: Span,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Takes its operands from the end of the stack.
    Operator(Operator),
    /// A parenthesis around one operand.
    Group,
    /// What is between these brackets, from this place of the operands on.
    Call { operator: Operator, first: usize, close: &'static str },
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token<'a>, Span)>,
    at: usize,
    operands: Vec<Node>,
    pending: Vec<Pending>,
    /// Brackets and prefixes among the pending: what bounds their number.
    open: usize,
}

impl<'a> Parser<'a> {
    /// The next token; at the end again and again `End`.
    fn next(&mut self) -> (Token<'a>, Span) {
        let last = self.tokens.len() - 1;
        let at = self.at.min(last);
        self.at = (at + 1).min(last);
        self.tokens[at].clone()
    }

    fn peek(&self) -> &Token<'a> {
        &self.tokens[self.at.min(self.tokens.len() - 1)].0
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let is_next = matches!(self.peek(), Token::Symbol(next) if *next == symbol);
        self.at += usize::from(is_next);
        is_next
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.peek(), Token::Word(next) if next.eq_ignore_ascii_case(word));
        self.at += usize::from(is_next);
        is_next
    }

    fn fail<T>(&self, span: Span, what: impl Into<String>) -> Result<T, FilterError> {
        Err(FilterError::new(self.text, span, what))
    }

    fn push(&mut self, kind: NodeKind, span: Span) {
        self.operands.push(Node::leaf(kind, span));
    }

    fn wait(&mut self, kind: Kind, count: usize, span: Span) -> Result<(), FilterError> {
        let is_infix = matches!(kind, Kind::Operator(operator)
            if !matches!(operator, Operator::Not | Operator::Negate));
        self.open += usize::from(!is_infix);
        let max = limits::FILTER_DEPTH_MAX;
        if self.open > max {
            return self.fail(span, format!("the filter is nested deeper than {max} levels"));
        }
        self.pending.push(Pending { kind, count, is_negated: false, span });
        Ok(())
    }

    fn pop(&mut self) -> Option<Pending> {
        let popped = self.pending.pop()?;
        let is_infix = matches!(popped.kind, Kind::Operator(operator)
            if !matches!(operator, Operator::Not | Operator::Negate));
        self.open -= usize::from(!is_infix);
        Some(popped)
    }

    /// Reads where a value is expected; says whether one still is.
    fn operand(&mut self) -> Result<bool, FilterError> {
        let (token, span) = self.next();
        match token {
            Token::Int(value) => self.int(value, "", span)?,
            Token::Float(value) => self.push(NodeKind::Value(Value::Float(value)), span),
            Token::Text(text) => self.push(NodeKind::Value(Value::Text(text)), span),
            Token::Parameter(name) => self.push(NodeKind::Parameter(name.to_owned()), span),
            Token::Quoted(name) => self.push(NodeKind::Column(name.to_owned()), span),
            Token::Word(word) => return self.word(word, span),
            Token::Symbol("-") => return self.minus(span),
            Token::Symbol("not") => {
                self.wait(Kind::Operator(Operator::Not), 1, span)?;
                return Ok(true);
            }
            Token::Symbol("(") => {
                self.wait(Kind::Group, 1, span)?;
                return Ok(true);
            }
            Token::Symbol("[") => return self.open(Operator::List, "]", span),
            Token::Symbol(symbol) => {
                return self.fail(span, format!("`{symbol}` stands where a value is expected"));
            }
            Token::End => {
                let what = if self.at == 0 || self.tokens.len() == 1 {
                    "the filter is empty"
                } else {
                    "the filter ends where a value is expected"
                };
                return self.fail(span, what);
            }
        }
        Ok(false)
    }

    fn int(&mut self, value: u64, sign: &str, span: Span) -> Result<(), FilterError> {
        match format!("{sign}{value}").parse() {
            Ok(value) => {
                self.push(NodeKind::Value(Value::Int(value)), span);
                Ok(())
            }
            Err(_) => self.fail(
                span,
                "the integer is larger than 64 bits hold; write it with `.0` for a float",
            ),
        }
    }

    /// A minus where a value is expected: the sign of a number, or an operator.
    fn minus(&mut self, span: Span) -> Result<bool, FilterError> {
        if let Token::Int(value) = *self.peek() {
            let (_, number) = self.next();
            self.int(value, "-", span.start..number.end)?;
            return Ok(false);
        }
        if let Token::Float(value) = *self.peek() {
            let (_, number) = self.next();
            self.push(NodeKind::Value(Value::Float(-value)), span.start..number.end);
            return Ok(false);
        }
        self.wait(Kind::Operator(Operator::Negate), 1, span)?;
        Ok(true)
    }

    /// A word where a value is expected.
    fn word(&mut self, word: &str, span: Span) -> Result<bool, FilterError> {
        match keyword(word) {
            Some("not") => {
                self.wait(Kind::Operator(Operator::Not), 1, span)?;
                return Ok(true);
            }
            Some(value @ ("true" | "false")) => {
                self.push(NodeKind::Value(Value::Bool(value == "true")), span);
                return Ok(false);
            }
            Some("null") => {
                return self.fail(
                    span,
                    "a comparison with null is never true; write `is null` or `is not null`",
                );
            }
            Some(keyword) => {
                let what = format!(
                    "`{keyword}` stands where a value is expected; a column of that name is \
                     written in backticks"
                );
                return self.fail(span, what);
            }
            None => {}
        }
        if self.time(word, &span)? {
            return Ok(false);
        }
        if !self.takes("(") {
            self.push(NodeKind::Column(word.to_owned()), span);
            return Ok(false);
        }
        let functions = || FUNCTIONS.iter();
        match functions().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
            Some((_, operator)) => self.open(*operator, ")", span),
            None => {
                let near = suggestion(word, functions().map(|(name, _)| *name));
                self.fail(span, format!("there is no function `{word}`{near}"))
            }
        }
    }

    /// `timestamp'…'`, `timestamp(…)` or `interval'…'`, if the word begins one.
    fn time(&mut self, word: &str, span: &Span) -> Result<bool, FilterError> {
        let is_timestamp = word.eq_ignore_ascii_case("timestamp");
        if !is_timestamp && !word.eq_ignore_ascii_case("interval") {
            return Ok(false);
        }
        if let Token::Text(text) = self.peek().clone() {
            let (_, text_span) = self.next();
            let parsed = if is_timestamp {
                time::parse_timestamp(&text).map(Value::Timestamp)
            } else {
                time::parse_interval(&text).map(Value::Interval)
            };
            match parsed {
                Ok(value) => self.push(NodeKind::Value(value), span.start..text_span.end),
                Err(what) => return self.fail(text_span, what),
            }
            return Ok(true);
        }
        if !is_timestamp || !self.takes("(") {
            return Ok(false);
        }
        let is_negative = self.takes("-");
        let (token, number) = self.next();
        let Token::Int(micros) = token else {
            return self.fail(number, "timestamp(…) takes microseconds since 1970 as an integer");
        };
        self.int(micros, if is_negative { "-" } else { "" }, number.clone())?;
        if !self.takes(")") {
            return self.fail(number, "`)` is missing behind the microseconds");
        }
        if let Some(Node { span, .. }) = self.operands.pop() {
            let micros = format!("{}{micros}", if is_negative { "-" } else { "" });
            // The number was checked above.
            let value = Value::Timestamp(micros.parse().unwrap_or_default());
            self.push(NodeKind::Value(value), span);
        }
        Ok(true)
    }

    /// Opens a list of operands; says whether one is expected.
    fn open(
        &mut self,
        operator: Operator,
        close: &'static str,
        span: Span,
    ) -> Result<bool, FilterError> {
        let first = self.operands.len();
        self.wait(Kind::Call { operator, first, close }, 0, span)?;
        let closes = matches!(self.peek(), Token::Symbol(next) if *next == close);
        if closes {
            let (_, end) = self.next();
            self.close(close, end)?;
        }
        Ok(!closes)
    }

    /// Reads where an operator is expected.
    fn operator(&mut self) -> Result<Next, FilterError> {
        let (token, span) = self.next();
        match token {
            Token::Symbol("and") => self.and(span),
            Token::Symbol("or") => self.infix(Operator::Or, span),
            Token::Symbol("=") => self.infix(Operator::Equal, span),
            Token::Symbol("!=") => self.infix(Operator::NotEqual, span),
            Token::Symbol("<") => self.infix(Operator::Less, span),
            Token::Symbol("<=") => self.infix(Operator::LessOrEqual, span),
            Token::Symbol(">") => self.infix(Operator::Greater, span),
            Token::Symbol(">=") => self.infix(Operator::GreaterOrEqual, span),
            Token::Symbol("+") => self.infix(Operator::Add, span),
            Token::Symbol("-") => self.infix(Operator::Subtract, span),
            Token::Symbol("*") => self.infix(Operator::Multiply, span),
            Token::Symbol("/") => self.infix(Operator::Divide, span),
            Token::Symbol("%") => self.infix(Operator::Remainder, span),
            Token::Symbol(",") => self.comma(span),
            Token::Symbol(close @ (")" | "]")) => {
                self.close(close, span)?;
                Ok(Next::Operator)
            }
            Token::Word(word) => self.infix_word(word, span),
            Token::End => self.end(),
            Token::Symbol(_)
            | Token::Quoted(_)
            | Token::Text(_)
            | Token::Int(_)
            | Token::Float(_)
            | Token::Parameter(_) => self.fail(
                span,
                "an operator is expected here, such as `=`, `and`, `in` or the end of the filter",
            ),
        }
    }

    /// A word where an operator is expected.
    fn infix_word(&mut self, word: &str, span: Span) -> Result<Next, FilterError> {
        match keyword(word) {
            Some("and") => self.and(span),
            Some("or") => self.infix(Operator::Or, span),
            Some("is") => self.is_null(span),
            Some("escape") => self.escape(span),
            Some("not") => {
                let (token, next) = self.next();
                let word = if let Token::Word(word) = token { keyword(word) } else { None };
                match word.and_then(infix_operator) {
                    Some(operator) => self.infix_negated(operator, true, span.start..next.end),
                    None => self.fail(
                        span,
                        "`not` here is followed by `in`, `between`, `like` or `matches`",
                    ),
                }
            }
            found => match found.and_then(infix_operator) {
                Some(operator) => self.infix(operator, span),
                None => {
                    let near = suggestion(word, KEYWORDS.into_iter());
                    self.fail(span, format!("`{word}` is no operator{near}"))
                }
            },
        }
    }

    fn infix(&mut self, operator: Operator, span: Span) -> Result<Next, FilterError> {
        self.infix_negated(operator, false, span)
    }

    fn infix_negated(
        &mut self,
        operator: Operator,
        is_negated: bool,
        span: Span,
    ) -> Result<Next, FilterError> {
        let own = precedence(operator);
        if own == Precedence::Comparison {
            self.comparison(&span)?;
        }
        self.complete(own)?;
        self.wait(Kind::Operator(operator), 2, span)?;
        if let Some(pending) = self.pending.last_mut() {
            pending.is_negated = is_negated;
        }
        if operator == Operator::In && matches!(self.peek(), Token::Symbol("(")) {
            let (_, span) = self.next();
            let wants = self.open(Operator::List, ")", span)?;
            return Ok(if wants { Next::Operand } else { Next::Operator });
        }
        Ok(Next::Operand)
    }

    /// Completes what binds stronger than a comparison; refuses a second one.
    fn comparison(&mut self, span: &Span) -> Result<(), FilterError> {
        self.complete(Precedence::Sum)?;
        if self.binding() == Some(Precedence::Comparison) {
            return self.fail(
                span.clone(),
                "comparisons do not chain; write `a < b and b < c`, or use parentheses",
            );
        }
        Ok(())
    }

    /// `and`: between the bounds of a `between`, or between conditions.
    fn and(&mut self, span: Span) -> Result<Next, FilterError> {
        self.complete(Precedence::Sum)?;
        if let Some(pending) = self.pending.last_mut()
            && pending.kind == Kind::Operator(Operator::Between)
            && pending.count == 2
        {
            pending.count = 3;
            return Ok(Next::Operand);
        }
        self.infix(Operator::And, span)
    }

    fn escape(&mut self, span: Span) -> Result<Next, FilterError> {
        self.complete(Precedence::Sum)?;
        if let Some(pending) = self.pending.last_mut()
            && pending.kind == Kind::Operator(Operator::Like)
            && pending.count == 2
        {
            pending.count = 3;
            return Ok(Next::Operand);
        }
        self.fail(span, "`escape` belongs behind the pattern of a `like`")
    }

    fn is_null(&mut self, span: Span) -> Result<Next, FilterError> {
        self.comparison(&span)?;
        let is_negated = self.takes_word("not");
        if !self.takes_word("null") {
            return self.fail(span, "`is` is followed by `null` or `not null`");
        }
        let end = self.tokens[self.at - 1].1.end;
        self.build(Operator::IsNull, 1, is_negated, span.start..end)?;
        Ok(Next::Operator)
    }

    fn comma(&mut self, span: Span) -> Result<Next, FilterError> {
        self.complete(Precedence::Or)?;
        match self.pending.last() {
            Some(Pending { kind: Kind::Call { .. }, .. }) => Ok(Next::Operand),
            Some(_) | None => self.fail(
                span,
                "`,` stands between the items of a list, [1, 2], and between arguments only",
            ),
        }
    }

    /// Completes the innermost bracket, which must close with `close`.
    fn close(&mut self, close: &'static str, span: Span) -> Result<(), FilterError> {
        self.complete(Precedence::Or)?;
        let Some(Pending { kind, span: start, .. }) = self.pop() else {
            return self.fail(span, format!("`{close}` closes nothing"));
        };
        let expected = match kind {
            Kind::Call { close, .. } => close,
            Kind::Group | Kind::Operator(_) => ")",
        };
        if expected != close {
            return self.fail(span, format!("`{close}` stands where `{expected}` is expected"));
        }
        if let Kind::Call { operator, first, .. } = kind {
            let count = self.operands.len() - first;
            self.build(operator, count, false, start.start..span.end)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<Next, FilterError> {
        self.complete(Precedence::Or)?;
        if let Some(pending) = self.pop() {
            return self.fail(pending.span, "this is not closed");
        }
        match self.operands.pop() {
            Some(root) => Ok(Next::Done(root)),
            None => self.fail(0..0, "the filter is empty"),
        }
    }

    /// How strongly the last pending operator binds; none for a bracket.
    fn binding(&self) -> Option<Precedence> {
        match self.pending.last()?.kind {
            Kind::Operator(operator) => Some(precedence(operator)),
            Kind::Group | Kind::Call { .. } => None,
        }
    }

    /// Completes all pending operators that bind at least as strongly.
    fn complete(&mut self, least: Precedence) -> Result<(), FilterError> {
        while self.binding().is_some_and(|binding| binding >= least) {
            if let Some(Pending { kind: Kind::Operator(operator), count, is_negated, span }) =
                self.pop()
            {
                self.build(operator, count, is_negated, span)?;
            }
        }
        Ok(())
    }

    /// Makes a node of the last `count` operands.
    fn build(
        &mut self,
        operator: Operator,
        count: usize,
        is_negated: bool,
        span: Span,
    ) -> Result<(), FilterError> {
        if operator == Operator::Between && count == 2 {
            return self.fail(span, "`between` takes two bounds: `a between 1 and 2`");
        }
        if !operator.takes(count) {
            let name = FUNCTIONS.iter().find(|(_, function)| *function == operator);
            let name = name.map_or("this", |(name, _)| *name);
            let takes = operator.least();
            return self.fail(span, format!("{name}() takes {takes} arguments, not {count}"));
        }
        let operands = self.operands.split_off(self.operands.len().saturating_sub(count));
        let start = operands.first().map_or(span.start, |first| first.span.start.min(span.start));
        let end = operands.last().map_or(span.end, |last| last.span.end.max(span.end));
        let mut node = Node::call_at(operator, operands, start..end);
        if is_negated {
            node = Node::call_at(Operator::Not, vec![node], start..end);
        }
        let max = limits::FILTER_DEPTH_MAX;
        if node.height() > max {
            return self.fail(span, format!("the filter is nested deeper than {max} levels"));
        }
        self.operands.push(node);
        Ok(())
    }
}
