//! The `vars` expressions of APISIX (lua-resty-expr; APISIX §2.3): the parsed form.
//!
//! `parse` reads JSON with the error texts of lua-resty-expr, [`eval`] compiles and evaluates. The variables
//! themselves belong to whoever evaluates: this module knows no request.

mod compare;
pub mod eval;
mod number;
mod parse;

#[cfg(test)]
mod tests;

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
    /// The empty list matches everything. A two-element comparison `[var, value]` means `==`; lua-resty-expr
    /// lower-cases its value, which the documentation does not say and which is not done here.
    ///
    /// # Errors
    /// With the text of lua-resty-expr: `rule should be wrapped inside brackets`, `rule too short`,
    /// `invalid expression`, `invalid operator '='`, `bad 'not' expression`, `missing argument rule`,
    /// `invalid ip address`. Lists nested deeper than 64 levels are an `invalid expression`, too.
    pub fn parse(vars: &Value) -> Result<Expr, ExprError> {
        parse::parse(vars)
    }

    /// Checks that each pattern compiles. APISIX accepts any pattern on write and treats a broken one as a
    /// comparison that fails; saying so on write is kinder, and it also tells of PCRE syntax (look-around, back
    /// references) that the linear-time engine here does not have.
    ///
    /// # Errors
    /// The first pattern that does not compile, and why.
    pub fn check_patterns(&self) -> Result<(), ExprError> {
        match self {
            Expr::Logic { operands, .. } => operands.iter().try_for_each(Expr::check_patterns),
            Expr::Compare(comparison) => compare::check_pattern(comparison),
        }
    }
}
