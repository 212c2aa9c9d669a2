//! Sources of evidence: who measures a number. One file each, one function: what is measured now, or why it cannot be
//! said. What comes back is bounded, and what is not a number is left to the gate to call so.

mod command;
mod http_json;
mod prometheus;

use super::GateContext;
use crate::remote::{self, Call};
use crate::target::request::Answer;
use crate::target::variables::{Variables, secret};
use bytes::Bytes;
use http::Method;
use model::address::WebAddress;
use model::policy::{Source, template};
use model::target::EnvValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Most numbers of one measurement.
const MAX_READINGS: usize = 10_000;
/// Largest answer, bytes.
const ANSWER_MAX: usize = 1024 * 1024;
/// What a value may hold as it is in a URL or a form (RFC 3986 §2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    /// What was measured: the labels of a series; empty if there is only one thing.
    pub(super) of: String,
    /// The number; may be NaN or infinite.
    pub(super) value: f64,
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.of.is_empty() { write!(f, "{}", self.value) } else { write!(f, "{} {}", self.of, self.value) }
    }
}

/// What is measured now; an empty list: no data. `limit` is for all of it.
///
/// # Errors
/// Why it cannot be said, in words.
pub(super) async fn read(
    source: &Source,
    context: &GateContext,
    limit: Duration,
) -> Result<Vec<Reading>, String> {
    let readings = match source {
        Source::Prometheus { url, query, range_ms, step_ms, headers } => {
            let query = prometheus::Query { url, query, range_ms: *range_ms, step_ms: *step_ms, headers };
            query.read(context, limit).await?
        }
        Source::HttpJson { url, pointer, headers } => {
            http_json::read(url, pointer, headers, context, limit).await?
        }
        Source::Command { command, env, working_dir } => {
            command::read(command, env, working_dir.as_deref(), context, limit).await?
        }
    };
    if readings.len() > MAX_READINGS {
        return Err(format!("{} numbers, at most {MAX_READINGS} are looked at", readings.len()));
    }
    Ok(readings)
}

/// What must not be seen in the evidence.
pub(super) fn secrets(source: &Source, context: &GateContext) -> Vec<String> {
    let values = match source {
        Source::Prometheus { headers, .. } | Source::HttpJson { headers, .. } => headers,
        Source::Command { env, .. } => env,
    };
    let base_dir = Path::new("/").join(&context.base_dir);
    let secrets = values.values().filter_map(|value| match value {
        EnvValue::Reference(reference) => secret(reference, &base_dir).ok(),
        EnvValue::Text(_) => None,
    });
    secrets.chain(context.preview.iter().map(|(_, token)| token.clone())).collect()
}

/// A text with its names replaced; `encode` makes a value fit for where it stands.
fn expanded(text: &str, context: &GateContext, encode: impl Fn(&str) -> String) -> Result<String, String> {
    let value = |name: &str| {
        Some(encode(match name {
            "version" => &context.version,
            "colour" => context.colour.name(),
            "other_colour" => context.colour.other().name(),
            "app" => &context.app,
            "release" => &context.release,
            _ => return None,
        }))
    };
    template::expand(text, value).map_err(|error| error.to_string())
}

/// A text as part of a URL or a form.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// Asks a server. An answer that is cut or no success says nothing.
async fn ask(
    method: Method,
    address: &WebAddress,
    headers: &BTreeMap<String, EnvValue>,
    form: Option<String>,
    context: &GateContext,
    limit: Duration,
) -> Result<Answer, String> {
    let base_dir = Path::new("/").join(&context.base_dir);
    let mut sent = vec![("accept".to_owned(), "application/json".to_owned())];
    if form.is_some() {
        sent.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    }
    for (name, value) in headers {
        let value = match value {
            EnvValue::Text(text) => expanded(text, context, str::to_owned)?,
            EnvValue::Reference(reference) => secret(reference, &base_dir)?,
        };
        sent.push((name.clone(), value.trim_end_matches(['\r', '\n']).to_owned()));
    }
    let body = Bytes::from(form.unwrap_or_default());
    let call = Call { method, address, headers: sent, body, limit, body_max: ANSWER_MAX };
    let answer = remote::call(call).await.map_err(|error| error.to_string())?;
    if answer.truncated {
        return Err(format!("the answer of {address} is larger than {ANSWER_MAX} bytes"));
    }
    Ok(answer)
}

/// The environment of a program, as that of a command gate.
fn variables(env: &BTreeMap<String, EnvValue>, context: &GateContext) -> Result<Variables, String> {
    let base_dir = Path::new("/").join(&context.base_dir);
    let variables = Variables::resolve(env, &base_dir, |text| Ok(text.to_owned()))?;
    Ok(super::command::with_context(variables, context))
}
