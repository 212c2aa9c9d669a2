//! `request-id`: each request has an id, which the upstream and the client are told (APISIX §4).
//!
//! An id that comes with the request stays, as in APISIX. One that is made here is unique, not secret.

mod generate;

use gateway::plugin::{Build, Context, Flow, Phase, Plugin, PluginKind};
use generate::Algorithm;
use model::plugin::PluginInfo;
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;

/// Longest id of `range_id`, in characters: it stands in a header.
const LONGEST_RANGE_ID: usize = 256;

/// Name, order and configuration of the plugin.
pub const INFO: PluginInfo = PluginInfo::new("request-id", 12_015, schema, check);

/// The plugin.
pub const KIND: PluginKind = PluginKind { info: INFO, compile: Some(compile) };

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "header_name": {"type": "string", "default": "X-Request-Id"},
            "include_in_response": {"type": "boolean", "default": true},
            "algorithm": {
                "type": "string",
                "enum": ["uuid", "nanoid", "range_id", "ksuid", "uuidv7"],
                "default": "uuid",
            },
            "range_id": {
                "type": "object",
                "properties": {
                    "length": {"type": "integer", "minimum": 6, "default": 16},
                    "char_set": {"type": "string", "minLength": 6, "default": generate::LETTERS_AND_DIGITS},
                },
            },
        },
    })
}

/// Checks what the schema cannot say: all of it stands in a header.
fn check(conf: &Value) -> Result<(), String> {
    let conf: Conf = serde_json::from_value(conf.clone()).map_err(|error| error.to_string())?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if conf.header_name.is_empty() || !conf.header_name.bytes().all(is_token) {
        return Err(format!("header_name {:?} is no name of a header", conf.header_name));
    }
    if conf.range_id.length > LONGEST_RANGE_ID {
        return Err(format!("range_id.length must be at most {LONGEST_RANGE_ID}"));
    }
    if !conf.range_id.char_set.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("range_id.char_set must be of visible ASCII characters".to_owned());
    }
    Ok(())
}

/// A configuration.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Conf {
    header_name: String,
    include_in_response: bool,
    algorithm: Algorithm,
    range_id: RangeId,
}

/// What an id of the algorithm `range_id` is made of.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct RangeId {
    length: usize,
    char_set: String,
}

impl Default for Conf {
    fn default() -> Self {
        Conf {
            header_name: "X-Request-Id".to_owned(),
            include_in_response: true,
            algorithm: Algorithm::Uuid,
            range_id: RangeId::default(),
        }
    }
}

impl Default for RangeId {
    fn default() -> Self {
        RangeId { length: 16, char_set: generate::LETTERS_AND_DIGITS.to_owned() }
    }
}

/// An instance.
struct RequestId {
    conf: Conf,
    /// The name as requests are asked for it.
    lower_name: String,
}

fn compile(conf: &Value, _: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
    check(conf)?;
    let conf: Conf = serde_json::from_value(conf.clone()).map_err(|error| error.to_string())?;
    Ok(Box::new(RequestId { lower_name: conf.header_name.to_ascii_lowercase(), conf }))
}

impl Plugin for RequestId {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::Rewrite]
    }

    fn rewrite<'r>(&'r self, request: &mut Context<'_, 'r>) -> Flow {
        let name = self.conf.header_name.as_str();
        let came = request.header(&self.lower_name).and_then(|value| std::str::from_utf8(value).ok());
        let id: Cow<'r, str> = match came.filter(|id| !id.is_empty()) {
            Some(id) => Cow::Borrowed(id),
            None => {
                let id = self.conf.algorithm.generate(&self.conf.range_id, request.began_unix_us());
                if let Some(forward) = request.forward() {
                    forward.set(name, id.clone());
                }
                Cow::Owned(id)
            }
        };
        if let Some(answer) = request.answer().filter(|_| self.conf.include_in_response) {
            answer.set_if_absent(name, id.clone());
        }
        request.set_variable("apisix_request_id", id.clone());
        request.set_variable("request_id", id);
        Flow::Continue
    }
}
