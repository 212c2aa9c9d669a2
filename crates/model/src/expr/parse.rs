//! Reading an expression from JSON.
//!
//! A list whose first element is a list is an AND of its elements; one whose first element names a logical operator
//! applies it to the rest; any other list is one comparison.

use super::{Comparison, Expr, ExprError, Logic, Operator};
use crate::cidr::Cidr;
use serde_json::Value;

/// How deep lists may be nested: more than any person writes, far less than a thread's stack holds.
pub(super) const MAX_DEPTH: usize = 64;

pub(super) fn parse(vars: &Value) -> Result<Expr, ExprError> {
    let rules = match vars {
        Value::Null | Value::Bool(false) => return Err(error("missing argument rule")),
        Value::Array(rules) => rules,
        Value::Object(map) if map.is_empty() => return Ok(always()),
        _ => return Err(error("invalid expression")),
    };
    let Some(first) = rules.first() else { return Ok(always()) };
    if !is_table(first) && first.as_str().and_then(logic).is_none() {
        return Err(error("rule should be wrapped inside brackets"));
    }
    rule(vars, 0)
}

/// Lua has one kind of table; an object has no elements.
fn is_table(value: &Value) -> bool {
    value.is_array() || value.is_object()
}

fn always() -> Expr {
    Expr::Logic { operator: Logic::And, operands: Vec::new() }
}

fn rule(value: &Value, depth: usize) -> Result<Expr, ExprError> {
    if depth > MAX_DEPTH {
        return Err(error("invalid expression"));
    }
    let rules: &[Value] = match value {
        Value::Array(rules) => rules,
        Value::Object(_) => &[],
        _ => return Err(error("invalid expression")),
    };
    let Some(first) = rules.first() else { return Err(error("rule too short")) };
    if is_table(first) {
        return operands(Logic::And, rules, depth);
    }
    match first.as_str().and_then(logic) {
        Some(_) if rules.len() <= 2 => Err(error("rule too short")),
        Some(operator) => operands(operator, rules.get(1..).unwrap_or_default(), depth),
        None => comparison(rules),
    }
}

fn operands(operator: Logic, rules: &[Value], depth: usize) -> Result<Expr, ExprError> {
    let operands = rules.iter().map(|operand| rule(operand, depth + 1)).collect::<Result<_, _>>()?;
    Ok(Expr::Logic { operator, operands })
}

fn comparison(parts: &[Value]) -> Result<Expr, ExprError> {
    let (variable, negated, symbol, value) = match parts {
        [variable, not, symbol, value] if not == "!" => (variable, true, symbol, Some(value)),
        [_, _, _, _] => return Err(error("bad 'not' expression")),
        [variable, symbol, value, ..] => (variable, false, symbol, Some(value)),
        [variable, symbol] => (variable, false, symbol, None),
        _ => return Err(error("invalid expression")),
    };
    let variable = scalar_text(variable)?;
    let (operator, value) = match (known_operator(symbol), value) {
        (Some(operator), value) => (operator, value.cloned().unwrap_or(Value::Null)),
        (None, None) => (Operator::Equal, symbol.clone()),
        (None, Some(_)) => {
            let symbol = scalar_text(symbol)?.to_lowercase();
            return Err(error(&format!("invalid operator '{symbol}'")));
        }
    };
    if operator == Operator::IpMatch {
        check_addresses(&value)?;
    }
    Ok(Expr::Compare(Comparison { variable, negated, operator, value }))
}

/// Lua takes a number where it expects a text.
fn scalar_text(value: &Value) -> Result<String, ExprError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(error("invalid expression")),
    }
}

fn check_addresses(value: &Value) -> Result<(), ExprError> {
    let list = match value {
        Value::String(text) if !text.is_empty() => std::slice::from_ref(value),
        Value::Array(list) if !list.is_empty() => list,
        _ => return Err(error("invalid ip address")),
    };
    for item in list {
        let text = item.as_str().ok_or_else(|| error("invalid ip address"))?;
        if Cidr::parse(text).is_none() {
            return Err(error(&format!("invalid ip address: {text}")));
        }
    }
    Ok(())
}

fn logic(name: &str) -> Option<Logic> {
    const NAMES: [(&str, Logic); 4] =
        [("AND", Logic::And), ("OR", Logic::Or), ("!AND", Logic::NotAnd), ("!OR", Logic::NotOr)];
    NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, logic)| *logic)
}

fn known_operator(symbol: &Value) -> Option<Operator> {
    const SYMBOLS: [(&str, Operator); 11] = [
        ("==", Operator::Equal),
        ("~=", Operator::NotEqual),
        (">", Operator::Greater),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        ("<=", Operator::LessOrEqual),
        ("~~", Operator::Matches),
        ("~*", Operator::MatchesCaseless),
        ("in", Operator::In),
        ("has", Operator::Has),
        ("ipmatch", Operator::IpMatch),
    ];
    let symbol = symbol.as_str()?;
    SYMBOLS.iter().find(|(known, _)| known.eq_ignore_ascii_case(symbol)).map(|(_, operator)| *operator)
}

fn error(text: &str) -> ExprError {
    ExprError(text.to_owned())
}
