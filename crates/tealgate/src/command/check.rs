//! `tealgate check FILE`: all errors at once, each with file, line and field; and what a right file leaves open.

use crate::cli::CheckArgs;
use crate::clock;
use crate::command::output::Output;
use crate::config;
use crate::config::error::ConfigError;
use crate::config::resources::{COLLECTIONS, FileResource};
use crate::config::typed::Finding;
use crate::error::Outcome;
use crate::exit::Exit;
use model::app::App;
use model::resource::Kind;
use serde_json::{Map, Value, json};

/// Checks a file. Exit 0: right; 2: wrong.
///
/// # Errors
/// None; what is wrong with the file is the command's data.
pub fn run(arguments: &CheckArgs, output: Output) -> Outcome {
    match config::load(&arguments.file, plugins::ALL) {
        Ok(loaded) => {
            let counts = counts(&loaded);
            let warnings = warnings(&loaded);
            if output.json {
                let (file, errors) = (&loaded.file, json!([]));
                let right = json!({"file": file, "ok": true, "resources": counts, "errors": errors, "warnings": warnings});
                output.data(&right);
            } else {
                for warning in warnings {
                    let message = format!("warning: {}", warning.message);
                    output.text(&format!("{}\n", ConfigError { message, ..warning }));
                }
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

/// What will not be as it says, with the words of the Admin API, and where a release of one of its apps could make a bad version
/// live without anybody's looking. A warning is no error: the file is right.
fn warnings(loaded: &config::Loaded) -> Vec<ConfigError> {
    let now_s = clock::now_s();
    let of_gateway = |resource: &FileResource| {
        let advice = admin::advice::of(resource.kind, &resource.value, now_s).into_iter();
        let at = |below: String| format!("{}{below}", resource.pointer);
        let told = |advice: admin::advice::Advice| Finding {
            pointer: at(advice.pointer),
            message: advice.text,
            hint: String::new(),
        };
        advice.map(told).collect::<Vec<_>>()
    };
    let apps = loaded.resources.iter().filter(|resource| resource.kind == Kind::App);
    let of_app = |resource: &FileResource| {
        let app = serde_json::from_value::<App>(resource.value.clone()).ok();
        let open = app.map(|app| release::plan::unwatched(&app.release)).unwrap_or_default();
        let below = format!("{}/release", resource.pointer);
        let told = |open: release::plan::Unwatched| {
            let pointer = format!("{below}{}", open.pointer);
            Finding { pointer, message: open.words, hint: String::new() }
        };
        open.into_iter().map(told).collect::<Vec<_>>()
    };
    let found = loaded.resources.iter().flat_map(of_gateway).chain(apps.flat_map(of_app));
    found.map(|finding| loaded.error(&finding)).collect()
}

fn counts(loaded: &config::Loaded) -> Map<String, Value> {
    let count =
        |name: &str| loaded.resources.iter().filter(|resource| resource.kind.collection() == name).count();
    COLLECTIONS.iter().map(|name| ((*name).to_owned(), Value::from(count(name)))).collect()
}
