//! How a notice is written: as one JSON object, or as a message for Slack.

use super::Notice;
use crate::journal::Folded;
use serde_json::{Value, json};

/// The body of a webhook.
pub(super) fn webhook(release: &Folded, notice: &Notice) -> Value {
    json!({
        "id": notice.id(&release.release),
        "event": notice.kind.name(),
        "at_ms": notice.at_ms,
        "app": release.request.app,
        "release": release.release,
        "version": release.request.version,
        "started_by": release.requested_by,
        "share": notice.share,
        "outcome": notice.outcome,
        "text": notice.text,
    })
}

/// A message as Slack's incoming webhooks take it: a text for notifications, and blocks for the channel.
pub(super) fn slack(release: &Folded, notice: &Notice) -> Value {
    let mark = match notice.good {
        Some(true) => "✅ ",
        Some(false) => "🔴 ",
        None => "",
    };
    let (app, version) = (escaped(&release.request.app), escaped(&release.request.version));
    let (text, id) = (escaped(&notice.text), escaped(&release.release));
    let kind = notice.kind.name().replace('_', " ");
    json!({
        "text": format!("{app} {version}: {kind}: {text}"),
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": format!("{mark}*{app} {version}* {kind}\n{text}")}},
            {"type": "context", "elements": [
                {"type": "mrkdwn", "text": format!("release {id}, {} % on the new version", notice.share)},
            ]},
        ],
    })
}

/// What Slack reads as the beginning of a link or an entity.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
