//! The last line that a program prints, as a number. Whatever goes wrong with the program says nothing of the version.

use super::{Reading, variables};
use crate::gate::GateContext;
use crate::target::Ending;
use crate::target::program::{Outcome, Program};
use model::target::EnvValue;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

pub(super) async fn read(
    command: &[String],
    env: &BTreeMap<String, EnvValue>,
    working_dir: Option<&str>,
    context: &GateContext,
    limit: Duration,
) -> Result<Vec<Reading>, String> {
    let directory = Path::new("/").join(&context.base_dir).join(working_dir.unwrap_or_default());
    let program = Program { command: command.to_vec(), variables: variables(env, context)?, directory };
    let output = match program.run(limit).await {
        Outcome::NotRun(why) => return Err(program.variables.mask(&why)),
        Outcome::TimedOut(_) => {
            return Err(format!("the program did not end within {} ms and was killed", limit.as_millis()));
        }
        Outcome::Ended(Ending::Status(0), output) => program.variables.mask(&output.into_text()),
        Outcome::Ended(ending, output) => {
            let text = program.variables.mask(&output.into_text());
            let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            return Err(format!("the program {ending}: {last}"));
        }
    };
    let Some(last) = output.lines().rev().map(str::trim).find(|line| !line.is_empty()) else {
        return Ok(Vec::new());
    };
    match last.parse() {
        Ok(value) => Ok(vec![Reading { of: String::new(), value }]),
        Err(_) => Err(format!("the last line of the program is no number: {last}")),
    }
}
