//! What a resource must satisfy before it is stored: its schema, and what a schema cannot say, with APISIX's texts.
//!
//! Pure: references to other resources are checked by whoever holds the store. Two things are stricter than APISIX
//! on purpose, and documented: Lua (`filter_func`, `script`, `script_id`) is refused, because this gateway cannot
//! run it and must not ignore it; and a pattern in `vars` that does not compile is refused instead of never matching.

mod plugins;
mod ssl;
mod upstream;

#[cfg(test)]
mod tests;

pub use upstream::check_upstream;

use crate::app::App;
use crate::cidr::Cidr;
use crate::expr::{Expr, ExprError};
use crate::field::FieldError;
use crate::overlay::Overlay;
use crate::plugin::PluginInfo;
use crate::resource::Kind;
use crate::schema::{self, CompiledSchema, SchemaError};
use plugins::Owner;
use serde_json::Value;

/// Why a resource is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct CheckError {
    /// Where, as a JSON pointer (RFC 6901) into the resource, if it is about one place.
    pub pointer: Option<String>,
    /// APISIX's text.
    pub text: String,
}

/// Whose Admin API a resource came through (APISIX §1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Apache APISIX: routes have `uri` or `uris`.
    Apisix,
    /// API7: routes have `paths` and a service, services a name.
    Api7,
}

/// Checks a resource in APISIX's dialect. `plugins` are those that the gateway runs.
///
/// # Errors
/// The first thing that is wrong, in APISIX's order.
pub fn check(kind: Kind, value: &Value, plugins: &[PluginInfo]) -> Result<(), CheckError> {
    check_in(Dialect::Apisix, kind, value, plugins)
}

/// Checks a resource in one of the dialects.
///
/// # Errors
/// The first thing that is wrong, in APISIX's order.
pub fn check_in(
    dialect: Dialect,
    kind: Kind,
    value: &Value,
    plugins: &[PluginInfo],
) -> Result<(), CheckError> {
    let compiled = match dialect {
        Dialect::Apisix => schema::compiled(kind),
        Dialect::Api7 => schema::compiled_api7(kind),
    };
    let schema = |value: &Value| compiled.map_or(Ok(()), |compiled| check_schema(compiled, value));
    match kind {
        Kind::Route => check_route(value, plugins, schema),
        Kind::Service => {
            schema(value)?;
            check_inline_upstream(value)?;
            plugins::check(Owner::Gateway, value, plugins)?;
            refuse_lua(value)
        }
        Kind::Consumer => {
            schema(value)?;
            plugins::check(Owner::Consumer, value, plugins)
        }
        Kind::Credential => {
            schema(value)?;
            plugins::check(Owner::Credential, value, plugins)
        }
        Kind::Upstream => {
            schema(value)?;
            check_upstream(value)
        }
        Kind::Ssl => {
            schema(value)?;
            ssl::check_ssl(value)
        }
        Kind::App => check_app(value),
        Kind::Overlay => match Overlay::from_value(value) {
            Ok(_) => Ok(()),
            Err(error) => Err(at("", format!("invalid configuration: {error}"))),
        },
    }
}

/// Refuses what only the gateway itself may write: `create_time` and `update_time`, in the resource, in its inline
/// upstream and among its plugins (APISIX §1.4). For PUT and POST; PATCH may send them.
///
/// # Errors
/// `the property is forbidden:  create_time`, with APISIX's two blanks.
pub fn check_forbidden(value: &Value) -> Result<(), CheckError> {
    for owner in ["", "upstream", "plugins"] {
        let holder = if owner.is_empty() { Some(value) } else { value.get(owner) };
        for name in ["create_time", "update_time"] {
            let sent = holder.and_then(|holder| holder.get(name));
            if sent.is_some_and(|sent| *sent != Value::Bool(false)) {
                let path = if owner.is_empty() { name.to_owned() } else { format!("{owner}.{name}") };
                return Err(CheckError {
                    pointer: Some(format!("/{}", path.replace('.', "/"))),
                    text: format!("the property is forbidden:  {path}"),
                });
            }
        }
    }
    Ok(())
}

/// Whether a text can be the name of a consumer: 1 to 256 of `[a-zA-Z0-9-_]`.
#[must_use]
pub fn is_username(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=256).contains(&text.len()) && text.bytes().all(allowed)
}

/// Whether a text can be the id of a resource: 1 to 64 of `[a-zA-Z0-9-_.]`.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// Checks an id that stands in a path.
///
/// # Errors
/// With the text that APISIX gives for an id in a body.
pub fn check_id(text: &str) -> Result<(), CheckError> {
    if is_id(text) {
        return Ok(());
    }
    let text =
        "invalid configuration: property \"id\" validation failed: object matches none of the required";
    Err(CheckError { pointer: Some("/id".to_owned()), text: text.to_owned() })
}

fn check_route(
    value: &Value,
    plugins: &[PluginInfo],
    schema: impl Fn(&Value) -> Result<(), CheckError>,
) -> Result<(), CheckError> {
    at_most_one(value, "host", "hosts")?;
    at_most_one(value, "remote_addr", "remote_addrs")?;
    schema(value)?;
    check_addresses(value)?;
    check_inline_upstream(value)?;
    plugins::check(Owner::Gateway, value, plugins)?;
    if let Some(vars) = value.get("vars") {
        check_expression(vars, "/vars")?;
    }
    refuse_lua(value)
}

fn at_most_one(value: &Value, one: &str, many: &str) -> Result<(), CheckError> {
    if value.get(one).is_some() && value.get(many).is_some() {
        return Err(at(&format!("/{many}"), format!("only one of {one} or {many} is allowed")));
    }
    Ok(())
}

/// The schema's patterns let some texts pass that are no CIDR block.
fn check_addresses(value: &Value) -> Result<(), CheckError> {
    let many = value.get("remote_addrs").and_then(Value::as_array);
    let many =
        many.into_iter().flatten().enumerate().map(|(index, item)| (format!("/remote_addrs/{index}"), item));
    let one = value.get("remote_addr").map(|item| ("/remote_addr".to_owned(), item));
    for (pointer, item) in one.into_iter().chain(many) {
        if let Some(text) = item.as_str()
            && Cidr::parse(text).is_none()
        {
            return Err(at(&pointer, format!("invalid ip address: {text}")));
        }
    }
    Ok(())
}

fn check_inline_upstream(value: &Value) -> Result<(), CheckError> {
    match value.get("upstream") {
        Some(inline) => check_upstream(inline).map_err(|error| error.inside("/upstream")),
        None => Ok(()),
    }
}

fn check_expression(vars: &Value, pointer: &str) -> Result<(), CheckError> {
    let checked = Expr::parse(vars).and_then(|expr| expr.check_patterns());
    checked.map_err(|error: ExprError| at(pointer, error.to_string()))
}

fn refuse_lua(value: &Value) -> Result<(), CheckError> {
    for (field, instead) in [
        ("filter_func", "use `vars` to match on variables of the request"),
        ("script", "use plugins"),
        ("script_id", "use plugins"),
    ] {
        if value.get(field).is_some() {
            let text = format!("`{field}` is Lua, which this gateway does not run: {instead}");
            return Err(at(&format!("/{field}"), text));
        }
    }
    Ok(())
}

fn check_app(value: &Value) -> Result<(), CheckError> {
    let app = App::from_value(value).map_err(from_field)?;
    app.check().into_iter().next().map_or(Ok(()), |error| Err(from_field(error)))
}

fn check_schema(schema: &CompiledSchema, value: &Value) -> Result<(), CheckError> {
    schema.validate(value).map_err(from_schema)
}

fn from_schema(error: SchemaError) -> CheckError {
    CheckError { pointer: Some(error.pointer), text: format!("invalid configuration: {}", error.text) }
}

fn from_field(error: FieldError) -> CheckError {
    let text = format!("invalid configuration: {error}");
    CheckError { pointer: Some(error.pointer), text }
}

fn at(pointer: &str, text: impl Into<String>) -> CheckError {
    CheckError { pointer: Some(pointer.to_owned()), text: text.into() }
}

impl CheckError {
    /// The same error seen from the owner of the place.
    fn inside(mut self, owner: &str) -> CheckError {
        self.pointer = Some(format!("{owner}{}", self.pointer.unwrap_or_default()));
        self
    }
}
