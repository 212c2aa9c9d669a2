//! The built binary, as a person or a script uses it: what it prints where, and with which exit code.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn tealgate(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tealgate"));
    for name in ["TEALGATE_SERVER", "TEALGATE_CONFIG", "TEALGATE_DATA_DIR", "TEALGATE_ADMIN_KEY"] {
        command.env_remove(name);
    }
    command.args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn file(directory: &Path, text: &str) -> String {
    let path = directory.join("tealgate.yaml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn alone_it_tells_the_two_things_to_try_first() {
    let output = tealgate(&[]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(text.contains("tealgate demo") && text.contains("tealgate serve"), "{text}");
    assert!(text.lines().count() <= 12, "short");
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    let output = tealgate(&["relaese"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("release"), "it suggests the nearest one");
}

#[test]
fn check_says_that_a_right_file_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), "services: [{id: s}]\nroutes: [{id: r, uri: /, service_id: s}]\n");
    let output = tealgate(&["check", &path]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    assert!(
        stdout(&output).contains("right (1 routes, 1 services, 0 upstreams, 0 ssls, 0 consumers, 0 apps)")
    );
}

#[test]
fn check_warns_of_a_release_that_nobody_watches_and_calls_the_file_right() {
    let directory = tempfile::tempdir().unwrap();
    let text = "\
services: [{id: s}]
apps:
  - id: shop
    service_id: s
    target: {process: {command: [x]}}
    release:
      limits: {max_error_rate: null}
      guard: null
      judge: {}
      sticky: {by: cookie}
";
    let path = file(directory.path(), text);
    let output = tealgate(&["check", &path]);
    let told = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    for part in [
        "apps[0].release: warning: NOTHING STOPS A VERSION THAT FAILS ITS USERS: ",
        ":9:7: apps[0].release.judge: warning: the judge compares nothing: ",
        ": right (",
    ] {
        assert!(told.contains(part), "{part} is missing in:\n{told}");
    }
    let report: Value = serde_json::from_slice(&tealgate(&["--json", "check", &path]).stdout).unwrap();
    assert_eq!((&report["ok"], report["warnings"].as_array().map(Vec::len)), (&Value::Bool(true), Some(2)));
}

#[test]
fn check_warns_of_what_will_not_be_as_a_resource_says() {
    let directory = tempfile::tempdir().unwrap();
    let text = "\
services: [{id: s}]
routes:
  - id: r
    uri: /
    service_id: s
    labels:
      tealgate.total_timeout_ms: 500ms
";
    let path = file(directory.path(), text);
    let output = tealgate(&["check", &path]);
    let told = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains(":7:"), "with its line: {told}");
    assert!(
        told.contains("warning: the label tealgate.total_timeout_ms is no number of milliseconds"),
        "{told}"
    );
}

#[test]
fn check_tells_all_errors_with_file_line_and_field() {
    let directory = tempfile::tempdir().unwrap();
    let path =
        file(directory.path(), "lisetn: x\nroutes:\n  - {id: r, uri: 5}\n  - {id: r, service_id: s}\n");
    let output = tealgate(&["check", &path]);
    assert_eq!(output.status.code(), Some(2));
    let text = stdout(&output);
    for part in
        [":1:1: lisetn: ", ":3:13: routes[0].uri: ", ":4:6: routes[1].id: ", "4:13: routes[1].service_id: "]
    {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    let output = tealgate(&["--json", "check", &path]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["ok"], &report["errors"][0]["line"]), (&Value::Bool(false), &Value::from(1)));
}

#[test]
fn check_of_a_file_that_is_not_there_names_it() {
    let output = tealgate(&["check", "/nonexistent/t.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).contains("/nonexistent/t.yaml: cannot be read"));
}

#[test]
fn every_shell_gets_a_completion_script() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = tealgate(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(stdout(&output).contains("tealgate"), "{shell}");
    }
}

#[test]
fn a_server_that_is_not_there_is_exit_6_and_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().display().to_string();
    // Port 1 is reserved and nothing listens there.
    let output =
        tealgate(&["--json", "release", "list", "--server", "http://127.0.0.1:1", "--data-dir", &data_dir]);
    assert_eq!(output.status.code(), Some(6));
    let text = stderr(&output);
    assert!(
        text.contains("cannot reach the server at http://127.0.0.1:1") && text.contains("tealgate serve"),
        "{text}"
    );
    let failure: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(failure["error"]["exit"], 6);
}

#[test]
fn a_program_that_cannot_be_launched_exits_as_a_shell_would() {
    let output = launched(&["/nonexistent/program"], "\n");
    assert_eq!(output.status.code(), Some(127));
    assert!(stderr(&output).contains("cannot run /nonexistent/program"), "{output:?}");
}

#[test]
fn a_program_runs_only_once_it_is_recorded_and_its_stdin_is_empty() {
    let output = launched(&["/bin/sh", "-c", "echo begun; cat"], "\nmore");
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "begun\n"));
    let output = launched(&["/bin/sh", "-c", "echo begun"], "");
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(127), ""));
    assert!(stderr(&output).contains("/bin/sh was not started"), "{output:?}");
}

/// Starts a program as the process driver does, with this on the launcher's stdin.
fn launched(program: &[&str], said: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tealgate"));
    command.args(["launch", "--"]).args(program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(said.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}
