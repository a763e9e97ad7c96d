//! The one spelling that a tree has; reading it gives the tree again.

use crate::grammar::{Precedence, is_reserved, precedence};
use crate::token::is_word_start;
use crate::tree::{FUNCTIONS, Node, NodeKind, Operator};
use crate::value::Value;
use std::fmt::Write;

/// Appends the spelling of a tree.
pub(crate) fn print(node: &Node, out: &mut String) {
    at_least(node, Precedence::Or, out);
}

/// Appends a node, in parentheses if it binds weaker than `least`.
fn at_least(node: &Node, least: Precedence, out: &mut String) {
    if binding(node) < least {
        out.push('(');
        bare(node, out);
        out.push(')');
    } else {
        bare(node, out);
    }
}

fn binding(node: &Node) -> Precedence {
    match node.kind() {
        NodeKind::Call(Operator::Not, operands) if negated_infix(operands).is_some() => {
            Precedence::Comparison
        }
        NodeKind::Call(operator, _) => precedence(*operator),
        NodeKind::Column(_) | NodeKind::Value(_) | NodeKind::Parameter(_) => Precedence::Atom,
    }
}

/// The operand of a `not` that is written in its middle: `a not in b`.
fn negated_infix(operands: &[Node]) -> Option<(Operator, &[Node])> {
    let NodeKind::Call(operator, inner) = operands.first()?.kind() else { return None };
    let is_infix = matches!(
        operator,
        Operator::In | Operator::Between | Operator::Like | Operator::Matches | Operator::IsNull
    );
    is_infix.then_some((*operator, inner))
}

fn bare(node: &Node, out: &mut String) {
    match node.kind() {
        NodeKind::Column(name) => column(name, out),
        // Writing to a string cannot fail.
        NodeKind::Value(value) => _ = write!(out, "{value}"),
        NodeKind::Parameter(name) => _ = write!(out, "{{{name}}}"),
        NodeKind::Call(Operator::Not, operands) => match negated_infix(operands) {
            Some((operator, inner)) => infix(operator, inner, " not", out),
            None => {
                out.push_str("not ");
                joined(operands, "", Precedence::Not, out);
            }
        },
        NodeKind::Call(operator, operands) => call(*operator, operands, out),
    }
}

fn column(name: &str, out: &mut String) {
    let is_plain = name.starts_with(is_word_start)
        && name.chars().all(|c| is_word_start(c) || c.is_ascii_digit() || c == '.')
        && !is_reserved(name);
    if is_plain {
        out.push_str(name);
    } else {
        _ = write!(out, "`{name}`");
    }
}

fn call(operator: Operator, operands: &[Node], out: &mut String) {
    match operator {
        Operator::Or => joined(operands, " or ", Precedence::And, out),
        Operator::And => joined(operands, " and ", Precedence::Not, out),
        Operator::Equal => joined(operands, " = ", Precedence::Sum, out),
        Operator::NotEqual => joined(operands, " != ", Precedence::Sum, out),
        Operator::Less => joined(operands, " < ", Precedence::Sum, out),
        Operator::LessOrEqual => joined(operands, " <= ", Precedence::Sum, out),
        Operator::Greater => joined(operands, " > ", Precedence::Sum, out),
        Operator::GreaterOrEqual => joined(operands, " >= ", Precedence::Sum, out),
        Operator::Add => left_to_right(operands, " + ", out),
        Operator::Subtract => left_to_right(operands, " - ", out),
        Operator::Multiply => left_to_right(operands, " * ", out),
        Operator::Divide => left_to_right(operands, " / ", out),
        Operator::Remainder => left_to_right(operands, " % ", out),
        Operator::Negate => {
            out.push('-');
            let is_number = |node: &Node| {
                matches!(node.kind(), NodeKind::Value(Value::Int(_) | Value::Float(_)))
            };
            if operands.iter().any(is_number) {
                out.push('(');
                joined(operands, "", Precedence::Or, out);
                out.push(')');
            } else {
                joined(operands, "", Precedence::Negation, out);
            }
        }
        Operator::List => {
            out.push('[');
            joined(operands, ", ", Precedence::Or, out);
            out.push(']');
        }
        Operator::Not
        | Operator::In
        | Operator::Between
        | Operator::Like
        | Operator::Matches
        | Operator::IsNull => infix(operator, operands, "", out),
        Operator::Contains
        | Operator::ContainsAny
        | Operator::ContainsAll
        | Operator::Now
        | Operator::Length
        | Operator::DateTrunc
        | Operator::JsonGet => {
            let name = FUNCTIONS.iter().find(|(_, function)| *function == operator);
            out.push_str(name.map_or("", |(name, _)| name));
            out.push('(');
            joined(operands, ", ", Precedence::Or, out);
            out.push(')');
        }
    }
}

/// `a in b`, with `not` in front of the operator's word if there is one.
fn infix(operator: Operator, operands: &[Node], not: &str, out: &mut String) {
    let (first, rest) = operands.split_at(operands.len().min(1));
    joined(first, "", Precedence::Sum, out);
    if operator == Operator::IsNull {
        _ = write!(out, " is{not} null");
        return;
    }
    let (word, between) = if operator == Operator::Between {
        ("between", " and ")
    } else if operator == Operator::Like {
        ("like", " escape ")
    } else if operator == Operator::Matches {
        ("matches", "")
    } else {
        ("in", "")
    };
    _ = write!(out, "{not} {word} ");
    joined(rest, between, Precedence::Sum, out);
}

fn left_to_right(operands: &[Node], between: &str, out: &mut String) {
    let is_sum = between == " + " || between == " - ";
    let (left, right) = if is_sum {
        (Precedence::Sum, Precedence::Product)
    } else {
        (Precedence::Product, Precedence::Negation)
    };
    for (at, operand) in operands.iter().enumerate() {
        if at > 0 {
            out.push_str(between);
        }
        at_least(operand, if at == 0 { left } else { right }, out);
    }
}

fn joined(operands: &[Node], between: &str, least: Precedence, out: &mut String) {
    for (at, operand) in operands.iter().enumerate() {
        if at > 0 {
            out.push_str(between);
        }
        at_least(operand, least, out);
    }
}
