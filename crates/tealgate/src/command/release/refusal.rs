//! What the server's no means at the terminal: an exit code and what to do.

use crate::client::ClientError;
use crate::error::Failure;
use crate::exit::Exit;
use http::StatusCode;
use serde_json::Value;

/// What to do without an admin key, or with a wrong one.
const KEY: &str = "set TEALGATE_ADMIN_KEY, or name the server's directory with --data-dir (TEALGATE_DATA_DIR), where admin-keys.json holds a key, or \
                   a file that holds one with --admin-key-file";

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let (exit, hint) = match &error {
            ClientError::Connect { .. } => (
                Exit::Internal,
                "start it with `tealgate serve`, or name it with --server or TEALGATE_SERVER".to_owned(),
            ),
            ClientError::Answer { .. } => (Exit::Internal, "see the server's log".to_owned()),
            ClientError::Refused { status, body, .. } => (exit(*status), advice(*status, body)),
        };
        Failure::new(exit, error, hint)
    }
}

fn exit(status: StatusCode) -> Exit {
    if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
        Exit::Internal
    } else {
        Exit::Refused
    }
}

/// The server's own advice, else what is known of the status.
fn advice(status: StatusCode, body: &Value) -> String {
    let own = body.get("hint").and_then(Value::as_str).filter(|hint| !hint.is_empty());
    let known = match status {
        // What the server says of it is meant for those who write headers.
        StatusCode::UNAUTHORIZED => return KEY.to_owned(),
        StatusCode::NOT_FOUND => "`tealgate release list` shows the apps",
        _ => "",
    };
    own.unwrap_or(known).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_is_told_with_the_servers_advice() {
        let refused =
            |status, body| Failure::from(ClientError::Refused { status, text: "no".to_owned(), body });
        let failure = refused(StatusCode::CONFLICT, json!({"hint": "wait"}));
        assert_eq!((failure.exit, failure.hint.as_str()), (Exit::Refused, "wait"));
        let failure = refused(StatusCode::UNAUTHORIZED, json!({"hint": "send the header"}));
        for way in ["TEALGATE_ADMIN_KEY", "--data-dir", "--admin-key-file"] {
            assert!(failure.hint.contains(way), "{}", failure.hint);
        }
        assert_eq!(failure.hint.lines().count(), 1);
        assert_eq!(refused(StatusCode::INTERNAL_SERVER_ERROR, Value::Null).exit, Exit::Internal);
    }
}
