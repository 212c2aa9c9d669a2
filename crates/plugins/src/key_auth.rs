//! `key-auth`: a consumer is who sends its key (APISIX §4).
//!
//! The key comes in a header, else in a query argument. Finding its consumer is one look into an index of the table;
//! nothing here is compared byte by byte with a secret.

mod schema;
#[cfg(test)]
mod tests;

use gateway::plugin::{Answer, Build, Context, Flow, Phase, Plugin, PluginKind};
use gateway::table::Identity;
use model::plugin::{AuthInfo, PluginInfo};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

const NAME: &str = "key-auth";

/// Name, order and configuration of the plugin.
pub const INFO: PluginInfo = PluginInfo::new(NAME, 2_500, schema::schema, schema::check)
    .authenticating(AuthInfo { schema: schema::consumer, key: "key", sealed: &["key"] });

/// The plugin.
pub const KIND: PluginKind = PluginKind { info: INFO, compile: Some(compile) };

/// A configuration.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Conf {
    header: String,
    query: String,
    hide_credentials: bool,
    realm: String,
    anonymous_consumer: Option<String>,
}

impl Default for Conf {
    fn default() -> Self {
        Conf {
            header: "apikey".to_owned(),
            query: "apikey".to_owned(),
            hide_credentials: false,
            realm: "key".to_owned(),
            anonymous_consumer: None,
        }
    }
}

/// An instance.
struct KeyAuth {
    conf: Conf,
    missing: Arc<Answer>,
    invalid: Arc<Answer>,
    /// The anonymous consumer does not exist.
    nobody: Arc<Answer>,
}

/// Where a key stood.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Header,
    Query,
}

fn compile(conf: &Value, _: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
    let mut conf: Conf = serde_json::from_value(conf.clone()).map_err(|error| error.to_string())?;
    conf.header.make_ascii_lowercase();
    let refusal = |text: &str| {
        let challenge = format!("apikey realm=\"{}\"", schema::quoted(&conf.realm));
        Arc::new(Answer::json(401, &json!({"message": text})).with_header("WWW-Authenticate", challenge))
    };
    Ok(Box::new(KeyAuth {
        missing: refusal("Missing API key in request"),
        invalid: refusal("Invalid API key in request"),
        nobody: refusal("Invalid user authorization"),
        conf,
    }))
}

impl Plugin for KeyAuth {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::Rewrite]
    }

    fn rewrite<'r>(&'r self, request: &mut Context<'_, 'r>) -> Flow {
        match self.identify(request) {
            Ok((identity, place)) => {
                request.set_identity(identity);
                if self.conf.hide_credentials {
                    self.hide(request, place);
                }
                Flow::Continue
            }
            Err(refusal) => self.without_consumer(request, refusal),
        }
    }
}

impl KeyAuth {
    /// Who sends the request, and where the key stood.
    fn identify<'r>(
        &'r self,
        request: &mut Context<'_, 'r>,
    ) -> Result<(Identity<'r>, Place), &'r Arc<Answer>> {
        let consumers = request.consumers();
        // Also where the header decides: a key in the query is a key.
        request.keep_secret(&self.conf.query);
        let (found, place) = match request.header(&self.conf.header) {
            Some(key) => (consumers.by_key(NAME, key), Place::Header),
            None => {
                let key = request.argument(&self.conf.query).ok_or(&self.missing)?;
                (consumers.by_key(NAME, key.as_bytes()), Place::Query)
            }
        };
        Ok((found.ok_or(&self.invalid)?, place))
    }

    fn without_consumer(&self, request: &mut Context<'_, '_>, refusal: &Arc<Answer>) -> Flow {
        let Some(name) = &self.conf.anonymous_consumer else { return Flow::Answer(Arc::clone(refusal)) };
        match request.consumers().named(name) {
            Some(anonymous) => {
                request.set_identity(anonymous);
                Flow::Continue
            }
            None => Flow::Answer(Arc::clone(&self.nobody)),
        }
    }

    /// Keeps the key from the upstream.
    fn hide<'r>(&'r self, request: &mut Context<'_, 'r>, place: Place) {
        if place == Place::Query {
            let query = request.query().and_then(|query| without(query, &self.conf.query));
            return request.forward_query(query);
        }
        if let Some(forward) = request.forward() {
            forward.remove(self.conf.header.as_str());
        }
    }
}

/// A query without the arguments of this name; `None`: nothing is left.
fn without(query: &str, name: &str) -> Option<String> {
    let is_other = |pair: &&str| {
        let key = pair.split_once('=').map_or(*pair, |(key, _)| key).replace('+', " ");
        percent_decode_str(&key).decode_utf8_lossy() != name
    };
    let kept: Vec<&str> = query.split('&').filter(is_other).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}
