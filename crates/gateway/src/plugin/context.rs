//! What a plugin sees of a request and may do to it.

use super::plan::Step;
use super::run::Run;
use super::{Edits, FieldName, FieldValue};
use crate::clock::Anchor;
use crate::request::Request;
use crate::table::{Consumers, Identity, Route, Table};
use crate::vars::RequestVariables;
use http1::ResponseHead;
use model::expr::eval::Variable;
use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Instant;

// How an upstream is told who sends a request.
static USERNAME: FieldName<'static> = FieldName::ours("X-Consumer-Username");
static CREDENTIAL: FieldName<'static> = FieldName::ours("X-Credential-Identifier");
static CUSTOM_ID: FieldName<'static> = FieldName::ours("X-Consumer-Custom-ID");

/// A request before its upstream is claimed. `'r` is the life of the request and of the table that it was matched
/// under: what a plugin takes from there can be noted without a copy.
#[derive(Debug)]
pub struct Context<'c, 'r> {
    pub(super) request: &'c mut Request<'r>,
    pub(super) route: &'r Route,
    pub(super) table: &'r Table,
    pub(super) began: Instant,
    pub(super) anchor: Anchor,
}

impl<'r> Context<'_, 'r> {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &'r str {
        self.request.head.method()
    }

    /// The path, normalised and decoded.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.request.path()
    }

    /// The query as it came, without `?`.
    #[must_use]
    pub fn query(&self) -> Option<&'r str> {
        self.request.query
    }

    /// The first value of a header field as it came; the name is given in lower case.
    #[must_use]
    pub fn header(&self, lower_name: &str) -> Option<&'r [u8]> {
        self.request.head.header(lower_name)
    }

    /// The first value of a query argument, decoded; empty for one without `=`.
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.variables().argument(name)? {
            Variable::Text(text) => Some(text),
            _ => Some(Cow::Borrowed("")),
        }
    }

    /// A variable as text (APISIX §2.3).
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        let variables = self.variables();
        variables.text(name)
    }

    /// The address of the client.
    #[must_use]
    pub fn client(&self) -> IpAddr {
        self.request.client_ip()
    }

    /// The address of the client as text.
    #[must_use]
    pub fn client_text(&self) -> &str {
        self.request.client_text()
    }

    /// When the request began: the time that it is judged by.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The same as wall-clock time, microseconds since the Unix epoch.
    #[must_use]
    pub fn began_unix_us(&self) -> i64 {
        self.anchor.unix_us_of(self.began)
    }

    /// The consumers of the table that the request was matched under.
    #[must_use]
    pub fn consumers(&self) -> &'r Consumers {
        &self.table.consumers
    }

    /// Who sends the request, once that is known.
    #[must_use]
    pub fn identity(&self) -> Option<Identity<'r>> {
        self.request.identity()
    }

    /// Says who sends the request, and tells the upstream.
    pub fn set_identity(&mut self, identity: Identity<'r>) {
        let Some(run) = self.run() else { return };
        run.set_identity(identity);
        run.forward.set(&USERNAME, identity.consumer.username());
        if let Some(credential) = identity.credential {
            run.forward.set(&CREDENTIAL, credential);
        }
        if let Some(id) = identity.consumer.custom_id() {
            run.forward.set(&CUSTOM_ID, id);
        }
    }

    /// The changes of the head that goes to the upstream. Framing, `Host` and what concerns one connection is not the
    /// plugins' to change; such a change is left out.
    pub fn forward(&mut self) -> Option<&mut Edits<'r>> {
        self.run().map(|run| &mut run.forward)
    }

    /// The changes of the head that goes to the client, whoever answers; with the same bounds.
    pub fn answer(&mut self) -> Option<&mut Edits<'r>> {
        self.run().map(|run| &mut run.answer)
    }

    /// Sends this query to the upstream, without `?`; `None`: none.
    pub fn forward_query(&mut self, query: Option<String>) {
        if let Some(run) = self.run() {
            run.query = Some(query.unwrap_or_default());
        }
    }

    /// Says that the value of this query argument is a secret: logs and reports do not show it.
    pub fn keep_secret(&mut self, argument: &'r str) {
        if let Some(run) = self.run() {
            run.secret_argument = Some(argument);
        }
    }

    /// Keeps a value that later phases, expressions and other plugins read by this name.
    pub fn set_variable(&mut self, name: &'static str, value: impl Into<Cow<'r, str>>) {
        if let Some(run) = self.run() {
            run.variables.push((name, value.into()));
        }
    }

    pub(super) fn applies(&self, step: &Step) -> bool {
        step.applies(&self.variables())
    }

    fn variables(&self) -> RequestVariables<'_> {
        RequestVariables { request: self.request, route: Some(self.route) }
    }

    fn run(&mut self) -> Option<&mut Run<'r>> {
        self.request.run.as_deref_mut()
    }
}

/// The head of an answer that is about to be written.
#[derive(Debug)]
pub struct AnswerContext<'c, 'r> {
    pub(super) request: &'c Request<'r>,
    pub(super) status: u16,
    pub(super) upstream: Option<&'c ResponseHead>,
    pub(super) edits: &'c mut Edits<'static>,
}

impl AnswerContext<'_, '_> {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the answer is an upstream's.
    #[must_use]
    pub fn is_of_upstream(&self) -> bool {
        self.upstream.is_some()
    }

    /// The first value of a field of the upstream's answer; the name is given in lower case.
    #[must_use]
    pub fn header(&self, lower_name: &str) -> Option<&[u8]> {
        self.upstream?.header(lower_name)
    }

    /// A variable as text (APISIX §2.3).
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        RequestVariables { request: self.request, route: None }.text(name)
    }

    /// Gives a field of the answer this value and no other.
    pub fn set(&mut self, name: &'static str, value: impl Into<FieldValue<'static>>) {
        self.edits.set(name, value);
    }

    /// The changes of the head.
    pub fn edits(&mut self) -> &mut Edits<'static> {
        self.edits
    }
}
