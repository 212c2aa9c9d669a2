//! Command: any test program. It finds the version under test in its environment and must exit with 0.
//!
//! A program that cannot be run or does not end in time says nothing about the version: inconclusive.

use super::evidence::Evidence;
use super::{GateContext, GateOutcome, GateRunner, Verdict};
use crate::clock;
use crate::target::program::{Outcome, Output, Program};
use crate::target::variables::Variables;
use crate::target::{Ending, authority};
use async_trait::async_trait;
use model::target::EnvValue;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many of the output's last lines go into the evidence.
const LAST_LINES: usize = 40;
/// How many output files with the same millisecond in their name there may be.
const SAME_NAME_MAX: u32 = 100;

/// The command gate. Its texts are passed on as they are: placeholders are the target's.
#[derive(Clone, Debug)]
pub(super) struct Command {
    /// Program and arguments; no shell is involved.
    pub(super) command: Vec<String>,
    /// Variables besides `PATH` and the `TEALGATE_` ones.
    pub(super) env: BTreeMap<String, EnvValue>,
    /// Default: the directory of the configuration file.
    pub(super) working_dir: Option<String>,
}

#[async_trait]
impl GateRunner for Command {
    async fn run(&self, context: &GateContext) -> GateOutcome {
        let base_dir = Path::new("/").join(&context.base_dir);
        let variables = match Variables::resolve(&self.env, &base_dir, |text| Ok(text.to_owned())) {
            Ok(variables) => with_context(variables, context),
            Err(why) => return not_run(context, &why),
        };
        let directory = base_dir.join(self.working_dir.as_deref().unwrap_or_default());
        let program = Program { command: self.command.clone(), variables, directory };
        let outcome = program.run(Duration::from_millis(context.timeout_ms)).await;
        let mask = |text: &str| program.variables.mask(text);
        match outcome {
            Outcome::NotRun(why) => not_run(context, &mask(&why)),
            Outcome::TimedOut(output) => {
                let what = format!("did not end within {} ms and was killed", context.timeout_ms);
                report(context, Verdict::Inconclusive, &what, output, mask)
            }
            Outcome::Ended(Ending::Untold, output) => {
                report(context, Verdict::Inconclusive, "ended, and its status was not told", output, mask)
            }
            Outcome::Ended(ending, output) => {
                let verdict = if ending == Ending::Status(0) { Verdict::Pass } else { Verdict::Fail };
                report(context, verdict, &ending.to_string(), output, mask)
            }
        }
    }
}

/// The variables of a program that examines a version, with what it has to know of that.
pub(super) fn with_context(mut variables: Variables, context: &GateContext) -> Variables {
    let addresses: Vec<String> =
        context.instances.iter().map(|(host, port)| authority(host, *port)).collect();
    if !variables.reveal().contains_key("PATH")
        && let Ok(path) = std::env::var("PATH")
    {
        variables.set("PATH", path);
    }
    variables.set("TEALGATE_ADDRESS", addresses.first().cloned().unwrap_or_default());
    variables.set("TEALGATE_ADDRESSES", addresses.join(","));
    variables.set("TEALGATE_APP", context.app.as_str());
    variables.set("TEALGATE_RELEASE", context.release.as_str());
    variables.set("TEALGATE_VERSION", context.version.as_str());
    variables.set("TEALGATE_COLOUR", context.colour.name());
    variables
}

fn not_run(context: &GateContext, why: &str) -> GateOutcome {
    let mut evidence = Evidence::new(preview_token(context));
    evidence.note(Verdict::Inconclusive, why);
    evidence.into_outcome(&format!("the test program could not be run: {why}"))
}

fn report(
    context: &GateContext,
    verdict: Verdict,
    what: &str,
    output: Output,
    mask: impl Fn(&str) -> String,
) -> GateOutcome {
    let text = mask(&output.into_text());
    let mut evidence = Evidence::new(preview_token(context));
    evidence.note(verdict, &format!("the test program {what}"));
    match keep(&context.output_dir, &text) {
        Ok(path) => evidence.note(Verdict::Pass, &format!("its output is kept in {}", path.display())),
        Err(error) => {
            let directory = context.output_dir.display();
            evidence.note(Verdict::Pass, &format!("its output could not be kept in {directory}: {error}"));
        }
    }
    let lines: Vec<&str> = text.lines().collect();
    for line in lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default() {
        evidence.note(Verdict::Pass, &format!("| {line}"));
    }
    evidence.into_outcome(&format!("the test program {what}"))
}

fn preview_token(context: &GateContext) -> Vec<String> {
    context.preview.iter().map(|(_, token)| token.clone()).collect()
}

/// Writes the output into a file of its own.
fn keep(directory: &Path, text: &str) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let now_ms = clock::now_ms();
    for attempt in 0..SAME_NAME_MAX {
        let path = directory.join(format!("command-{now_ms}-{attempt}.log"));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
