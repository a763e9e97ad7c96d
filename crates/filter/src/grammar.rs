//! How strongly operators bind, and which words are no names.

use crate::tree::Operator;

/// How strongly an operator binds, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Precedence {
    /// `or`
    Or,
    /// `and`
    And,
    /// `not`
    Not,
    /// `=`, `in`, `is null` and their like
    Comparison,
    /// `+`, `-`
    Sum,
    /// `*`, `/`, `%`
    Product,
    /// `-` in front of something
    Negation,
    /// names, values, functions, lists
    Atom,
}

/// How strongly the operator binds its operands.
pub(crate) fn precedence(operator: Operator) -> Precedence {
    match operator {
        Operator::Or => Precedence::Or,
        Operator::And => Precedence::And,
        Operator::Not => Precedence::Not,
        Operator::Equal
        | Operator::NotEqual
        | Operator::Less
        | Operator::LessOrEqual
        | Operator::Greater
        | Operator::GreaterOrEqual
        | Operator::In
        | Operator::Between
        | Operator::Like
        | Operator::Matches
        | Operator::IsNull => Precedence::Comparison,
        Operator::Add | Operator::Subtract => Precedence::Sum,
        Operator::Multiply | Operator::Divide | Operator::Remainder => Precedence::Product,
        Operator::Negate => Precedence::Negation,
        Operator::Contains
        | Operator::ContainsAny
        | Operator::ContainsAll
        | Operator::List
        | Operator::Now
        | Operator::Length
        | Operator::DateTrunc
        | Operator::JsonGet => Precedence::Atom,
    }
}

/// Words that are no names without backticks.
pub(crate) const KEYWORDS: [&str; 13] = [
    "and", "or", "not", "in", "between", "like", "escape", "regex", "matches", "is", "null",
    "true", "false",
];

/// Whether a column of that name needs backticks.
pub(crate) fn is_reserved(name: &str) -> bool {
    keyword(name).is_some()
}

/// The keyword that a word is, in any case.
pub(crate) fn keyword(word: &str) -> Option<&'static str> {
    KEYWORDS.into_iter().find(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// The operator that a keyword between two operands is.
pub(crate) fn infix_operator(keyword: &str) -> Option<Operator> {
    match keyword {
        "in" => Some(Operator::In),
        "between" => Some(Operator::Between),
        "like" => Some(Operator::Like),
        "regex" | "matches" => Some(Operator::Matches),
        _ => None,
    }
}
