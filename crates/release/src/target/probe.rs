//! One readiness question to one instance: HTTP GET, TCP connect, or a program's exit status.
//!
//! An instance of an https upstream is only asked for a TCP connection: probes do not speak TLS yet.

use super::pidfd::Ending;
use super::program::{Outcome, Program};
use super::request;
use super::variables::Variables;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use model::target::Probe;
use std::path::PathBuf;
use std::time::Duration;

/// What a probe needs to know of the instance. The probe's texts have their placeholders replaced already.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) probe: &'a Probe,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// One answer's limit.
    pub(crate) limit: Duration,
}

/// Asks once. `Ok` holds a good answer in words, `Err` what is wrong. Dropping it ends it.
///
/// `surroundings` gives environment and working directory for a probe command; it is only called for one.
pub(crate) async fn ask(
    question: &Question<'_>,
    surroundings: impl Fn() -> Result<(Variables, PathBuf), String>,
) -> Result<String, String> {
    let Question { host, port, limit, .. } = *question;
    let asked = async {
        match question.probe {
            Probe::Tcp {} => match request::connect(host, port).await {
                Ok(_) => Ok("accepts connections".to_owned()),
                Err(error) => Err(error.to_string()),
            },
            Probe::Http { path, statuses } => get(host, port, path, statuses).await,
            Probe::Command { command } => {
                let (variables, directory) = surroundings()?;
                run(Program { command: command.clone(), variables, directory }, limit).await
            }
        }
    };
    // A command has ended itself, and its group, just before.
    match tokio::time::timeout(limit.saturating_add(Duration::from_millis(100)), asked).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
    }
}

async fn get(host: &str, port: u16, path: &str, statuses: &[u16]) -> Result<String, String> {
    let request = Request::get(path)
        .header(header::HOST, authority(host, port))
        .header(header::USER_AGENT, "tealgate-probe")
        .header(header::CONNECTION, "close")
        .body(Full::<Bytes>::default())
        .map_err(|error| format!("GET {path} is no proper request: {error}"))?;
    let answer = request::send(host, port, request).await.map_err(|error| error.to_string())?;
    let status = answer.status.as_u16();
    let good = if statuses.is_empty() { (200..400).contains(&status) } else { statuses.contains(&status) };
    let said = format!("GET {path} answered {status}");
    if good { Ok(said) } else { Err(said) }
}

async fn run(program: Program, limit: Duration) -> Result<String, String> {
    let name = program.command.first().cloned().unwrap_or_default();
    match program.run(limit).await {
        Outcome::Ended(Ending::Status(0), _) => Ok(format!("{name} exited with status 0")),
        Outcome::Ended(ending, _) => Err(format!("{name} {ending}")),
        Outcome::TimedOut(_) => Err(format!("{name} did not end within {} ms", limit.as_millis())),
        Outcome::NotRun(why) => Err(why),
    }
}

/// `host:port`, with brackets around an IPv6 address (RFC 3986 §3.2.2).
pub(crate) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
