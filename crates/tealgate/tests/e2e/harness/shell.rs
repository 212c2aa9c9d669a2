//! Calls as a person types them: `sh`, `curl`, `grep`.

use super::gate::Gate;
use std::process::{Output, Stdio};
use testkit::clock::within;

/// Runs a script as it is printed in a manual: only hosts and ports are replaced, and `API_KEY` is set.
pub(crate) async fn run(gate: &Gate, script: &str) -> Output {
    let script = script
        .replace("https://localhost:7443", &format!("https://localhost:{}", gate.admin_tls_address().port()))
        .replace("http://127.0.0.1:9180", &format!("http://{}", gate.admin_address()))
        .replace("http://127.0.0.1:9080", &format!("http://{}", gate.gateway()));
    let mut shell = tokio::process::Command::new("sh");
    shell.arg("-c").arg(&script).env("API_KEY", gate.key()).stdin(Stdio::null()).kill_on_drop(true);
    within("a script", shell.output()).await.unwrap()
}

/// What it printed, if it ended well.
pub(crate) async fn printed(gate: &Gate, script: &str) -> String {
    let output = run(gate, script).await;
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
