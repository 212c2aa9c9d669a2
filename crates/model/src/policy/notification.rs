//! Who is told what happens in a release.

use crate::address::WebAddress;
use crate::target::SecretReference;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// More receivers than an app can usefully have.
pub const MAX_RECEIVERS: usize = 8;

/// Someone who is told, by a `POST` for each notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// Its name in the tree and the report; unique within the app.
    pub name: String,
    /// Where the notices go.
    pub url: Place,
    /// How they are written.
    #[serde(default)]
    pub format: Format,
    /// The key that webhooks are signed with; `null`: they are not signed.
    #[serde(default)]
    pub secret: Option<SecretReference>,
    /// What is told; empty: everything.
    #[serde(default)]
    pub events: Vec<NoticeKind>,
    /// How long one try may take, milliseconds.
    #[serde(default = "ten_seconds")]
    pub timeout_ms: u64,
    /// How long a notice is tried again before it is given up, milliseconds.
    #[serde(default = "one_hour")]
    pub give_up_after_ms: u64,
}

impl Receiver {
    /// Whether it is told of this.
    #[must_use]
    pub fn wants(&self, kind: NoticeKind) -> bool {
        self.events.is_empty() || self.events.contains(&kind)
    }

    /// A copy whose address shows its host only.
    #[must_use]
    pub fn masked(&self) -> Receiver {
        let url = match &self.url {
            Place::Url(_) => Place::Url(self.url.shown()),
            Place::Reference(reference) => Place::Reference(reference.clone()),
        };
        Receiver { url, ..self.clone() }
    }
}

/// A URL, or where to find one that is a secret itself: whoever knows the URL of a Slack webhook may write there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a url is a text, {\"from_env\": name} or {\"from_file\": path}")]
pub enum Place {
    /// The URL itself.
    Url(String),
    /// Where it is.
    Reference(SecretReference),
}

impl Place {
    /// What may be shown of it: scheme and host, or where it is found.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Place::Url(url) => WebAddress::parse(url).map_or("(no URL)".to_owned(), |url| url.to_string()),
            Place::Reference(SecretReference::FromEnv(name)) => format!("(from_env {name})"),
            Place::Reference(SecretReference::FromFile(path)) => format!("(from_file {path})"),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// How a notice is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object, signed as Standard Webhooks are.
    #[default]
    Webhook,
    /// A message as Slack's incoming webhooks take it.
    Slack,
}

/// What can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The release has its plan and begins.
    Started,
    /// A person is asked: an approval, a verdict that is not clear, someone's edit.
    WaitingForApproval,
    /// A share of the traffic has moved: every gateway runs it.
    Shifted,
    /// A gate has spoken, or the traffic was judged.
    Verdict,
    /// The traffic is back where it was.
    RolledBack,
    /// The outcome is decided. Told once of each release.
    Done,
}

impl NoticeKind {
    /// The word in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            NoticeKind::Started => "started",
            NoticeKind::WaitingForApproval => "waiting_for_approval",
            NoticeKind::Shifted => "shifted",
            NoticeKind::Verdict => "verdict",
            NoticeKind::RolledBack => "rolled_back",
            NoticeKind::Done => "done",
        }
    }
}

fn ten_seconds() -> u64 {
    10_000
}
fn one_hour() -> u64 {
    3_600_000
}
