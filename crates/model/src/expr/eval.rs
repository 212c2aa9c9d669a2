//! Evaluation: an expression is compiled once and then asked for each request.
//!
//! Everything that can be done beforehand is: patterns are compiled, address lists parsed, number literals read. A
//! comparison of a text with a text allocates nothing.

use super::compare::Predicate;
use super::{Comparison, Expr, Logic};
use std::borrow::Cow;

/// The value of a variable.
#[derive(Clone, Debug, PartialEq)]
pub enum Variable<'a> {
    /// A text: nearly all of them.
    Text(Cow<'a, str>),
    /// A number that the gateway itself made.
    Number(f64),
    /// A truth value; `arg_x` of `?x` is `true`.
    Bool(bool),
    /// Several values, for `has`.
    List(Vec<Variable<'a>>),
}

impl<'a> From<&'a str> for Variable<'a> {
    fn from(text: &'a str) -> Variable<'a> {
        Variable::Text(Cow::Borrowed(text))
    }
}

/// Where the values come from.
pub trait Variables {
    /// The value of the variable, `None` if it has none. It is asked only for what an expression names.
    fn get(&self, name: &str) -> Option<Variable<'_>>;
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Matcher {
    root: Node,
}

#[derive(Clone, Debug)]
enum Node {
    Logic { any: bool, negated: bool, operands: Box<[Node]> },
    Test { variable: Box<str>, negated: bool, predicate: Predicate },
}

impl Matcher {
    /// Compiles an expression. A pattern that does not compile, or whose program would exceed the size limit, makes
    /// a comparison that is never true, as in APISIX; [`Expr::check_patterns`] tells of it beforehand.
    #[must_use]
    pub fn compile(expr: &Expr) -> Matcher {
        Matcher { root: Node::compile(expr) }
    }

    /// Whether the expression holds.
    #[must_use]
    pub fn matches<V: Variables + ?Sized>(&self, variables: &V) -> bool {
        self.root.matches(variables)
    }
}

impl Node {
    fn compile(expr: &Expr) -> Node {
        match expr {
            Expr::Logic { operator, operands } => Node::Logic {
                any: matches!(operator, Logic::Or | Logic::NotOr),
                negated: matches!(operator, Logic::NotAnd | Logic::NotOr),
                operands: operands.iter().map(Node::compile).collect(),
            },
            Expr::Compare(comparison) => Node::test(comparison),
        }
    }

    fn test(comparison: &Comparison) -> Node {
        let (predicate, inverse) = Predicate::compile(comparison.operator, &comparison.value);
        Node::Test {
            variable: comparison.variable.as_str().into(),
            negated: comparison.negated != inverse,
            predicate,
        }
    }

    fn matches<V: Variables + ?Sized>(&self, variables: &V) -> bool {
        match self {
            Node::Logic { any: false, negated, operands } => {
                operands.iter().all(|operand| operand.matches(variables)) != *negated
            }
            Node::Logic { any: true, negated, operands } => {
                operands.iter().any(|operand| operand.matches(variables)) != *negated
            }
            Node::Test { variable, negated, predicate } => {
                predicate.holds(variables.get(variable).as_ref()) != *negated
            }
        }
    }
}
