//! One try to deliver a notice.

use super::{Notice, message, signature};
use crate::journal::Folded;
use crate::remote::{self, Call};
use crate::target::variables::secret;
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use model::address::WebAddress;
use model::policy::{Format, Place, Receiver};
use std::path::Path;
use std::time::Duration;

/// Most of an answer that is read, bytes. Nobody looks at it.
const ANSWER_MAX: usize = 4 * 1024;
/// Longest pause that a receiver may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// Why a notice was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// In words, without the address's path and without secrets.
    pub(crate) why: String,
    /// How long the receiver asks to wait (`Retry-After`).
    pub(crate) pause: Option<Duration>,
}

/// Tries once. A status of 2xx says that the receiver has it. `now_ms`: milliseconds since the Unix epoch.
pub(crate) async fn deliver(
    receiver: &Receiver,
    release: &Folded,
    notice: &Notice,
    base_dir: &Path,
    now_ms: i64,
) -> Result<(), Failure> {
    let broken = |why: String| Failure { why, pause: None };
    let url = match &receiver.url {
        Place::Url(url) => url.clone(),
        Place::Reference(reference) => {
            let url = secret(reference, base_dir).map_err(|error| broken(format!("url: {error}")))?;
            url.trim().to_owned()
        }
    };
    let address = WebAddress::parse(&url).map_err(|error| broken(format!("the url {error}")))?;
    let body = match receiver.format {
        Format::Webhook => message::webhook(release, notice),
        Format::Slack => message::slack(release, notice),
    };
    let body = Bytes::from(body.to_string());
    let headers = headers(receiver, &notice.id(&release.release), &body, base_dir, now_ms).map_err(broken)?;
    let limit = Duration::from_millis(receiver.timeout_ms);
    let call = Call { method: Method::POST, address: &address, headers, body, limit, body_max: ANSWER_MAX };
    let answer = remote::call(call).await.map_err(|error| broken(error.to_string()))?;
    if answer.status.is_success() {
        return Ok(());
    }
    let why = format!("{address} answered {}", answer.status.as_u16());
    Err(Failure { why, pause: retry_after(&answer.headers) })
}

fn headers(
    receiver: &Receiver,
    id: &str,
    body: &[u8],
    base_dir: &Path,
    now_ms: i64,
) -> Result<Vec<(String, String)>, String> {
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    if receiver.format == Format::Slack {
        return Ok(headers);
    }
    let at_s = now_ms.div_euclid(1_000);
    headers.push(("webhook-id".to_owned(), id.to_owned()));
    headers.push(("webhook-timestamp".to_owned(), at_s.to_string()));
    if let Some(reference) = &receiver.secret {
        let secret = secret(reference, base_dir).map_err(|error| format!("secret: {error}"))?;
        headers.push(("webhook-signature".to_owned(), signature(&secret, id, at_s, body)?));
    }
    Ok(headers)
}

/// Seconds; a date (RFC 9110 §10.2.3) is not looked at.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_ASKED))
}
