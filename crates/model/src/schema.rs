//! JSON schemas of the gateway resources, and the walker that checks raw JSON against a schema with APISIX's texts.
//!
//! APISIX checks with api7/jsonschema; its users and tools read those texts, so the walker says the same (APISIX
//! §1.8) in the same order, with Lua's notion of a value: `1.0` is an integer, `[]` and `{}` are the same empty
//! table, a default is filled in while the walk goes on. Where Lua's order of keys is undefined, ours is the
//! schema's.
//!
//! `compile` turns a schema into rules once, `walk` applies them. The schemas themselves are written down in
//! `upstream`, `route`, `service`, `consumer` and `api7`.

mod api7;
mod compile;
mod consumer;
mod definitions;
mod health_check;
mod lua;
mod route;
mod service;
mod ssl;
mod upstream;
mod walk;

#[cfg(test)]
mod tests;

use crate::resource::Kind;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Why a value does not fit its schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SchemaError {
    /// Where, as a JSON pointer (RFC 6901) into the value. Where no alternative of an `anyOf` or `oneOf` fits, the
    /// deepest place that any of them complained about.
    pub pointer: String,
    /// The text of api7/jsonschema, nested from the outside in (APISIX §1.8).
    pub text: String,
}

/// A schema made ready: patterns are compiled, lists turned into rules.
#[derive(Clone, Debug)]
pub struct CompiledSchema {
    root: compile::Node,
    defects: Vec<String>,
}

impl CompiledSchema {
    /// Compiles a schema. What the walker does not know in it is listed by [`CompiledSchema::defects`].
    #[must_use]
    pub fn new(schema: &Value) -> CompiledSchema {
        let mut defects = Vec::new();
        let root = compile::compile(schema, "", &mut defects);
        CompiledSchema { root, defects }
    }

    /// What is wrong with the schema itself: keywords that the walker does not know (they check nothing) and
    /// patterns that do not compile (nothing matches them). Empty for every schema of ours; tests see to that.
    #[must_use]
    pub fn defects(&self) -> &[String] {
        &self.defects
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The first violation.
    pub fn validate(&self, value: &Value) -> Result<(), SchemaError> {
        self.with_defaults(value).map(drop)
    }

    /// Checks a value and returns it with the schema's defaults filled in, as APISIX does on its data plane.
    ///
    /// # Errors
    /// The first violation.
    pub fn with_defaults(&self, value: &Value) -> Result<Value, SchemaError> {
        let mut value = value.clone();
        match self.root.check(&mut value) {
            Ok(()) => Ok(value),
            Err(violation) => Err(violation.into_error()),
        }
    }
}

/// Checks a value against a schema that is used once.
///
/// # Errors
/// The first violation.
pub fn validate(schema: &Value, value: &Value) -> Result<(), SchemaError> {
    CompiledSchema::new(schema).validate(value)
}

static ROUTE: LazyLock<Value> = LazyLock::new(route::schema);
static SERVICE: LazyLock<Value> = LazyLock::new(service::schema);
static UPSTREAM: LazyLock<Value> = LazyLock::new(upstream::schema);
static SSL: LazyLock<Value> = LazyLock::new(ssl::schema);
static CONSUMER: LazyLock<Value> = LazyLock::new(consumer::schema);
static CREDENTIAL: LazyLock<Value> = LazyLock::new(consumer::credential);
static APP: LazyLock<Value> = LazyLock::new(crate::app::app_schema);
static OVERLAY: LazyLock<Value> = LazyLock::new(|| json!({"type": "object"}));
static API7_ROUTE: LazyLock<Value> = LazyLock::new(api7::route);
static API7_SERVICE: LazyLock<Value> = LazyLock::new(api7::service);

static COMPILED_ROUTE: LazyLock<CompiledSchema> = LazyLock::new(|| CompiledSchema::new(&ROUTE));
static COMPILED_SERVICE: LazyLock<CompiledSchema> = LazyLock::new(|| CompiledSchema::new(&SERVICE));
static COMPILED_UPSTREAM: LazyLock<CompiledSchema> = LazyLock::new(|| CompiledSchema::new(&UPSTREAM));
static COMPILED_SSL: LazyLock<CompiledSchema> = LazyLock::new(|| CompiledSchema::new(&SSL));
static COMPILED_CONSUMER: LazyLock<CompiledSchema> = LazyLock::new(|| CompiledSchema::new(&CONSUMER));
static COMPILED_CREDENTIAL: LazyLock<CompiledSchema> = LazyLock::new(|| CompiledSchema::new(&CREDENTIAL));
static COMPILED_API7_ROUTE: LazyLock<CompiledSchema> = LazyLock::new(|| CompiledSchema::new(&API7_ROUTE));
static COMPILED_API7_SERVICE: LazyLock<CompiledSchema> = LazyLock::new(|| CompiledSchema::new(&API7_SERVICE));

/// The JSON schema of a kind, as `GET /apisix/admin/schema/...` serves it. That of an app is generated from its type
/// and in the 2020-12 dialect; an overlay is only ever written by ourselves.
#[must_use]
pub fn of(kind: Kind) -> &'static Value {
    match kind {
        Kind::Route => &ROUTE,
        Kind::Service => &SERVICE,
        Kind::Upstream => &UPSTREAM,
        Kind::Ssl => &SSL,
        Kind::Consumer => &CONSUMER,
        Kind::Credential => &CREDENTIAL,
        Kind::App => &APP,
        Kind::Overlay => &OVERLAY,
    }
}

/// The compiled schema of a gateway resource. Apps and overlays are checked by their types and have none.
#[must_use]
pub fn compiled(kind: Kind) -> Option<&'static CompiledSchema> {
    match kind {
        Kind::Route => Some(&COMPILED_ROUTE),
        Kind::Service => Some(&COMPILED_SERVICE),
        Kind::Upstream => Some(&COMPILED_UPSTREAM),
        Kind::Ssl => Some(&COMPILED_SSL),
        Kind::Consumer => Some(&COMPILED_CONSUMER),
        Kind::Credential => Some(&COMPILED_CREDENTIAL),
        Kind::App | Kind::Overlay => None,
    }
}

/// The schema of a route in the dialect of API7 (APISIX §1.9): `paths` instead of `uris`, always in a service.
#[must_use]
pub fn api7_route() -> &'static Value {
    &API7_ROUTE
}

/// The schema of a service in the dialect of API7 (APISIX §1.9): named, with an inline upstream only.
#[must_use]
pub fn api7_service() -> &'static Value {
    &API7_SERVICE
}

/// As [`compiled`], in the dialect of API7. Upstreams are the same in both.
#[must_use]
pub fn compiled_api7(kind: Kind) -> Option<&'static CompiledSchema> {
    match kind {
        Kind::Route => Some(&COMPILED_API7_ROUTE),
        Kind::Service => Some(&COMPILED_API7_SERVICE),
        other => compiled(other),
    }
}
