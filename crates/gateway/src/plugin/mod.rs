//! What a plugin is to the request path, and all that it may do there.
//!
//! The plugins themselves live in the crate `plugins`; the composition root hands their list to
//! [`crate::Gateway::start`]. A [`PluginKind`] compiles one configuration into a [`Plugin`], once for each place that
//! configures it, while a table is built. The instance says in which phases it acts, so a phase calls only those that
//! do, and a route without plugins pays one branch.
//!
//! Phases, in the order of a request (APISIX §3.3): `rewrite` and `access` before an upstream is claimed, `answer` when
//! the head of an answer is about to be written (the upstream's or the gate's own), `log` after the last byte. Within a
//! phase the higher priority runs first. What is configured for a consumer beats the route, the route beats its service
//! (APISIX §3.4).
//!
//! A phase is a plain call: nothing may wait between the table that a request was matched under and its claim
//! (`claim.rs`). Seams for what is not here yet: a plugin that waits for something would return a third
//! [`Flow`] with a future, after which the current table is taken again and the route found in it by its id; one that
//! needs the request's body would ask for it, bounded, in `access`; one that changes an answer's body would be given
//! its frames by `forward::leg`, which decodes and frames anew already.

mod answer;
mod compile;
mod context;
mod edits;
mod few;
mod meta;
mod plan;
mod run;
mod template;

pub use answer::{Answer, GrpcAnswer};
pub use compile::{Build, Shared};
pub use context::{AnswerContext, Context};
pub use edits::{Edits, FieldName, FieldValue};
pub(crate) use meta::configured;
pub(crate) use plan::{Configured, Plan};
pub(crate) use run::{Run, answer_phase, before_claim, log_phase};
pub use template::Template;

use model::plugin::PluginInfo;
use model::record::RequestRecord;
use serde_json::Value;
use std::sync::Arc;

/// A plugin that can be configured.
#[derive(Clone, Copy, Debug)]
pub struct PluginKind {
    /// Its name, order and schemas.
    pub info: PluginInfo,
    /// Makes an instance of a configuration; `None`: a stage of the request path reads the configuration itself.
    pub compile: Option<Compile>,
}

/// Makes an instance of a configuration that the schema has accepted, `_meta` included. The error says what of it
/// cannot run; requests of the route then get a 500, as leaving the plugin out could open what it guards.
pub type Compile = fn(&Value, &mut Build<'_>) -> Result<Box<dyn Plugin>, String>;

/// When a plugin acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the consumer is known to all: authentication, rewriting.
    Rewrite,
    /// With the consumer known: limits, permissions.
    Access,
    /// The head of an answer is about to be written.
    Answer,
    /// The last byte has been sent.
    Log,
}

/// What becomes of a request after a plugin.
#[derive(Debug)]
#[must_use]
pub enum Flow {
    /// It goes on.
    Continue,
    /// It ends here, with this answer.
    Answer(Arc<Answer>),
}

/// One configuration of a plugin, compiled. All threads share it. It lives as long as the requests that it is called
/// for, so that what it holds can be noted in their heads without a copy.
pub trait Plugin: Send + Sync {
    /// The phases in which it acts; the others are not called.
    fn phases(&self) -> &'static [Phase];

    /// Before the request is checked any further.
    fn rewrite<'r>(&'r self, _: &mut Context<'_, 'r>) -> Flow {
        Flow::Continue
    }

    /// Just before an upstream is claimed.
    fn access<'r>(&'r self, _: &mut Context<'_, 'r>) -> Flow {
        Flow::Continue
    }

    /// Before the head of an answer is written.
    fn answer(&self, _: &mut AnswerContext<'_, '_>) {}

    /// After the request.
    fn log(&self, _: &RequestRecord<'_>) {}
}
