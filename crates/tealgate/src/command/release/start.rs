//! `release start` and `rehearse`: asks for a release or its rehearsal, then watches it.

use crate::cli::release::StartArgs;
use crate::client::ClientError;
use crate::command::output::Output;
use crate::command::release::follow::{self, Following};
use crate::command::release::{client, paths};
use crate::config::document::Document;
use crate::error::{Failure, Outcome};
use crate::exit::Exit;
use release::plan::SPEC;
use release::view::ReleaseView;
use serde_json::{Value, json};
use std::path::Path;

/// Largest spec file, bytes.
const MAX_SPEC_BYTES: u64 = 1024 * 1024;

pub(super) async fn run(arguments: &StartArgs, rehearsal: bool, output: Output) -> Outcome {
    let mut wanted = json!({"version": arguments.version});
    if rehearsal {
        wanted["rehearsal"] = json!(true);
    }
    if let Some(path) = &arguments.spec {
        wanted["spec"] = spec(path)?;
    }
    let client = client(&arguments.server)?;
    let answer = client.post(&paths::releases(&arguments.app), &wanted).await;
    let answer = answer.map_err(|error| naming_the_spec(error, arguments.spec.as_deref()))?;
    let view: ReleaseView = follow::view_of(answer)?;
    let following =
        Following { app: &arguments.app, release: &view.release, timeout: arguments.wait.timeout };
    if arguments.wait.detach {
        return follow::left(&following, &view, output);
    }
    follow::until_the_end(&client, &following, output).await
}

/// A refusal whose command can be run as it is: the server does not know where the spec stands.
fn naming_the_spec(error: ClientError, spec: Option<&Path>) -> ClientError {
    match (error, spec) {
        (ClientError::Refused { status, text, body }, Some(path)) => {
            let text = text.replace(SPEC, &format!(" --spec {}", quoted(&path.display().to_string())));
            ClientError::Refused { status, text, body }
        }
        (error, _) => error,
    }
}

/// A word as a shell takes it for one.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// A target in YAML or JSON, as under `target` of an app.
fn spec(path: &Path) -> Outcome<Value> {
    let file = path.display();
    let unreadable =
        |error: std::io::Error| Failure::usage(format!("{file}: cannot be read: {error}"), "check --spec");
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_SPEC_BYTES {
        return Err(Failure::usage(format!("{file}: larger than {MAX_SPEC_BYTES} bytes"), "check --spec"));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let document = Document::parse(&text).map_err(|errors| {
        let errors: Vec<String> = errors
            .iter()
            .map(|error| {
                format!("{file}:{}:{}: {}", error.position.line, error.position.column, error.message)
            })
            .collect();
        Failure::usage(errors.join("\n"), "correct the file that --spec names")
    })?;
    let content = document.value.get("target").cloned().unwrap_or(document.value);
    if content.is_object() {
        return Ok(content);
    }
    let hint = "write a target as in the app: `process:` with its `command`, or `upstream:`";
    Err(Failure::new(Exit::Usage, anyhow::anyhow!("{file}: it holds no target"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_spec_as_it_was_given() {
        let refusal = |path: &str| {
            let text = format!("run `tealgate release rehearse shop --version 2{SPEC}`");
            let refused =
                ClientError::Refused { status: http::StatusCode::BAD_REQUEST, text, body: Value::Null };
            naming_the_spec(refused, Some(Path::new(path))).to_string()
        };
        assert!(refusal("new.yaml").ends_with("rehearse shop --version 2 --spec new.yaml`"));
        assert!(refusal("it's new.yaml").ends_with(r"--version 2 --spec 'it'\''s new.yaml'`"));
    }

    #[test]
    fn a_spec_is_a_target_with_or_without_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("spec.yaml");
        let target = json!({"process": {"command": ["x"]}});
        for text in ["process: {command: [x]}", "target:\n  process:\n    command: [x]\n"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(spec(&path).unwrap(), target);
        }
        for (text, part) in [("- x\n", "holds no target"), ("a: [\n", "spec.yaml:2:1: not valid YAML")] {
            std::fs::write(&path, text).unwrap();
            let failure = spec(&path).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.text().contains(part), "{}", failure.text());
        }
    }
}
