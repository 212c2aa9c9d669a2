//! The `vars` expressions of APISIX (lua-resty-expr; APISIX §2.3): parsing and checking. Evaluation lives in the
//! gateway, beside the variables.

use serde_json::Value;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A logical operator over operands.
    Logic {
        /// Which.
        operator: Logic,
        /// At least two for an explicit operator; any number for the implicit AND.
        operands: Vec<Expr>,
    },
    /// A comparison of one variable.
    Compare(Comparison),
}

/// The logical operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Logic {
    And,
    Or,
    NotAnd,
    NotOr,
}

/// `[var, op, value]`, possibly negated with `!`.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Name of the variable, for example `http_x_env`.
    pub variable: String,
    /// `!` stood before the operator.
    pub negated: bool,
    /// The operator.
    pub operator: Operator,
    /// The literal on the right.
    pub value: Value,
}

/// The comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    /// `~~`: PCRE search.
    Matches,
    /// `~*`: PCRE search without case.
    MatchesCaseless,
    In,
    Has,
    IpMatch,
}

/// Why a value is no expression; the text is lua-resty-expr's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to validate the 'vars' expression: {0}")]
pub struct ExprError(pub String);

impl Expr {
    /// Parses a `vars` value.
    ///
    /// # Errors
    /// With the text of lua-resty-expr: `rule should be wrapped inside brackets`, `rule too short`,
    /// `invalid expression`, `invalid operator '='`, `bad 'not' expression`, `missing argument rule`,
    /// `invalid ip address`.
    pub fn parse(_vars: &Value) -> Result<Expr, ExprError> {
        Err(ExprError("missing argument rule".to_owned()))
    }
}
