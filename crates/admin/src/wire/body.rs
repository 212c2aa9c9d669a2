//! Reading a request's body: bounded in size and time, JSON whatever the Content-Type says.

use crate::clock;
use crate::wire::json;
use crate::wire::problem::Problem;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use serde_json::Value;
use std::time::Duration;

/// Largest body, bytes: APISIX's 1.5 MiB.
pub(crate) const LARGEST_BYTES: usize = 3 * 1024 * 1024 / 2;
/// How much of a too large body is read and thrown away so that its sender gets to see the answer, bytes.
const DISCARDED_BYTES: usize = 16 * 1024 * 1024;
/// The whole body must have come within this.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The body as JSON; `None` if there is none.
///
/// # Errors
/// Too large, too slow, broken off, or no JSON.
pub(crate) async fn json(headers: &HeaderMap, body: Body) -> Result<Option<Value>, Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let read = clock::within(READ_TIMEOUT, read(announced, body)).await;
    let bytes = read.ok_or(Problem::SlowBody)??;
    if bytes.is_empty() {
        return Ok(None);
    }
    json::parse(&bytes).map(Some).map_err(|reason| Problem::BadJson { reason, raw: repeated(&bytes) })
}

/// A body that was not understood, as it came: APISIX repeats it. Not so a private key.
fn repeated(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if text.contains("PRIVATE KEY") { "(it holds a private key)".to_owned() } else { text.into_owned() }
}

async fn read(announced: Option<usize>, mut body: Body) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let mut received = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::BrokenBody)?;
        let Some(data) = frame.data_ref() else { continue };
        received = received.saturating_add(data.len());
        if received <= LARGEST_BYTES {
            bytes.extend_from_slice(data);
        } else if received > DISCARDED_BYTES {
            break;
        }
    }
    if received > LARGEST_BYTES {
        return Err(Problem::BodyTooLarge { size: announced.unwrap_or(received) });
    }
    Ok(bytes)
}
