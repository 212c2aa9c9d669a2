//! `tealgate check FILE`: all errors at once, each with file, line and field.

use crate::cli::CheckArgs;
use crate::command::output::Output;
use crate::config;
use crate::config::resources::COLLECTIONS;
use crate::error::Outcome;
use crate::exit::Exit;
use serde_json::{Map, Value, json};

/// Checks a file. Exit 0: right; 2: wrong.
///
/// # Errors
/// None; what is wrong with the file is the command's data.
pub fn run(arguments: &CheckArgs, output: Output) -> Outcome {
    match config::load(&arguments.file, plugins::ALL) {
        Ok(loaded) => {
            let counts = counts(&loaded);
            if output.json {
                output.data(&json!({"file": loaded.file, "ok": true, "resources": counts, "errors": []}));
            } else {
                let counts: Vec<String> =
                    counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
                output.text(&format!("{}: right ({})\n", loaded.file, counts.join(", ")));
            }
            Ok(Exit::Done)
        }
        Err(errors) => {
            if output.json {
                let file = arguments.file.display().to_string();
                output.data(&json!({"file": file, "ok": false, "errors": errors}));
            } else {
                output.text(&format!("{errors}\n"));
            }
            Ok(Exit::Usage)
        }
    }
}

fn counts(loaded: &config::Loaded) -> Map<String, Value> {
    let count =
        |name: &str| loaded.resources.iter().filter(|resource| resource.kind.collection() == name).count();
    COLLECTIONS.iter().map(|name| ((*name).to_owned(), Value::from(count(name)))).collect()
}
