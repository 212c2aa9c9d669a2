//! One comparison: the operator table of APISIX §2.3 with its literal prepared.

use super::eval::Variable;
use super::number::to_number;
use super::{Comparison, ExprError, Operator};
use crate::cidr::{Cidr, parse_ip};
use crate::pattern;
use regex::bytes::Regex;
use serde_json::Value;
use std::cmp::Ordering;

/// What is asked of the variable.
#[derive(Clone, Debug)]
pub(super) enum Predicate {
    Equals(Literal),
    /// Both sides as numbers.
    Ordered {
        accepts: fn(Ordering) -> bool,
        than: f64,
    },
    Matches(Regex),
    In(Box<[Literal]>),
    Has(Literal),
    InBlocks(Box<[Cidr]>),
    /// Nothing can satisfy it: a broken pattern, `>` with a text that is no number.
    Never,
}

/// The right side of an equality. Lua compares raw: a number is never equal to a text.
#[derive(Clone, Debug)]
pub(super) enum Literal {
    Nil,
    Text(Box<str>),
    Number(f64),
    Bool(bool),
    /// A table: equal to nothing but itself, so to no variable.
    Table,
}

impl Predicate {
    /// The predicate, and whether its opposite is meant: `~=` is the exact opposite of `==`, for absent variables
    /// and for texts that are no numbers, too.
    pub(super) fn compile(operator: Operator, value: &Value) -> (Predicate, bool) {
        let predicate = match operator {
            Operator::Equal | Operator::NotEqual => Predicate::Equals(Literal::of(value)),
            Operator::Greater => ordered(value, Ordering::is_gt),
            Operator::GreaterOrEqual => ordered(value, Ordering::is_ge),
            Operator::Less => ordered(value, Ordering::is_lt),
            Operator::LessOrEqual => ordered(value, Ordering::is_le),
            Operator::Matches => search(value, false),
            Operator::MatchesCaseless => search(value, true),
            Operator::In => Predicate::In(elements(value).iter().map(Literal::element).collect()),
            Operator::Has => Predicate::Has(Literal::element(value)),
            Operator::IpMatch => Predicate::InBlocks(blocks(value)),
        };
        (predicate, operator == Operator::NotEqual)
    }

    pub(super) fn holds(&self, left: Option<&Variable<'_>>) -> bool {
        match self {
            Predicate::Equals(Literal::Number(right)) => {
                left.and_then(as_number).is_some_and(|left| same(left, *right))
            }
            Predicate::Equals(right) => right.equals(left),
            Predicate::Ordered { accepts, than } => {
                left.and_then(as_number).and_then(|left| left.partial_cmp(than)).is_some_and(accepts)
            }
            Predicate::Matches(regex) => match left {
                Some(Variable::Text(text)) => regex.is_match(text.as_bytes()),
                Some(Variable::Number(number)) => regex.is_match(number.to_string().as_bytes()),
                _ => false,
            },
            Predicate::In(literals) => literals.iter().any(|literal| literal.equals(left)),
            Predicate::Has(literal) => match left {
                Some(Variable::List(items)) => items.iter().any(|item| literal.equals(Some(item))),
                _ => false,
            },
            Predicate::InBlocks(blocks) => match left {
                Some(Variable::Text(text)) => {
                    parse_ip(text).is_some_and(|address| blocks.iter().any(|block| block.contains(address)))
                }
                _ => false,
            },
            Predicate::Never => false,
        }
    }
}

impl Literal {
    fn of(value: &Value) -> Literal {
        match value {
            Value::Null => Literal::Nil,
            Value::Bool(truth) => Literal::Bool(*truth),
            Value::Number(number) => Literal::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => Literal::Text(text.as_str().into()),
            Value::Array(_) | Value::Object(_) => Literal::Table,
        }
    }

    /// As an element of a list, where `null` is a value of its own and not the absence of one.
    fn element(value: &Value) -> Literal {
        if value.is_null() { Literal::Table } else { Literal::of(value) }
    }

    fn equals(&self, left: Option<&Variable<'_>>) -> bool {
        match (self, left) {
            (Literal::Nil, None) => true,
            (Literal::Text(right), Some(Variable::Text(left))) => **right == **left,
            (Literal::Number(right), Some(Variable::Number(left))) => same(*left, *right),
            (Literal::Bool(right), Some(Variable::Bool(left))) => right == left,
            _ => false,
        }
    }
}

fn same(left: f64, right: f64) -> bool {
    left.partial_cmp(&right) == Some(Ordering::Equal)
}

fn as_number(variable: &Variable<'_>) -> Option<f64> {
    match variable {
        Variable::Number(number) => Some(*number),
        Variable::Text(text) => to_number(text),
        Variable::Bool(_) | Variable::List(_) => None,
    }
}

fn ordered(value: &Value, accepts: fn(Ordering) -> bool) -> Predicate {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => to_number(text),
        _ => None,
    };
    number.map_or(Predicate::Never, |than| Predicate::Ordered { accepts, than })
}

fn elements(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn blocks(value: &Value) -> Box<[Cidr]> {
    let list = if value.is_string() { std::slice::from_ref(value) } else { elements(value) };
    list.iter().filter_map(Value::as_str).filter_map(Cidr::parse).collect()
}

fn search(value: &Value, caseless: bool) -> Predicate {
    let compiled = pattern_text(value).and_then(|text| pattern::compile(&text, caseless).ok());
    compiled.map_or(Predicate::Never, Predicate::Matches)
}

/// Lua takes a number where it expects a text.
fn pattern_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(super) fn check_pattern(comparison: &Comparison) -> Result<(), ExprError> {
    let caseless = match comparison.operator {
        Operator::Matches => false,
        Operator::MatchesCaseless => true,
        _ => return Ok(()),
    };
    let Some(text) = pattern_text(&comparison.value) else {
        return Err(ExprError("a pattern must be a text".to_owned()));
    };
    pattern::compile(&text, caseless).map(drop).map_err(|error| ExprError(error.to_string()))
}
