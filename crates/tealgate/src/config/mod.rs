//! The configuration file: settings, resources and apps in one `tealgate.yaml`.
//!
//! [`load()`] reads and checks it and tells everything that is wrong at once; [`apply::apply_file`] makes it the
//! desired state, all of it or nothing. Nothing here starts anything.

pub mod apply;
pub mod document;
pub mod error;
pub mod limits;
pub mod listen;
pub mod mark;
pub mod pem;
pub mod pointer;
pub mod references;
pub mod resources;
pub mod settings;
pub mod settings_check;
pub mod suggest;
pub mod typed;
pub mod upstream_http2;

use crate::config::document::Document;
use crate::config::error::{ConfigError, ConfigErrors};
use crate::config::resources::FileResource;
use crate::config::settings::{AccessLog, Settings};
use crate::config::typed::Finding;
use model::consumer;
use model::plugin::PluginInfo;
use model::resource::Kind;
use model::secret;
use serde_json::{Map, Value};
use std::convert::Infallible;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use store::secret::Keyring;

/// Largest configuration file, bytes.
pub const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;
/// Most errors that are told of one file.
const MAX_ERRORS: usize = 1000;

/// A configuration file that was read and found right.
#[derive(Clone)]
pub struct Loaded {
    /// The file as it was named.
    pub file: String,
    /// Its directory, against which relative paths in it are resolved.
    pub base_dir: PathBuf,
    /// The settings; paths are absolute or relative to the working directory.
    pub settings: Settings,
    /// The resources, in the order of the file.
    pub resources: Vec<FileResource>,
    document: Document,
}

/// Without its content: that may hold private keys.
impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("file", &self.file)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}

impl Loaded {
    /// The same with its secrets as they are stored.
    #[must_use]
    pub fn sealed(&self, keyring: &Keyring) -> Loaded {
        let mut sealed = self.clone();
        for resource in &mut sealed.resources {
            let seal = &mut |secret: &mut String| {
                *secret = keyring.seal(secret);
                Ok::<(), Infallible>(())
            };
            let changed = match resource.kind {
                Kind::Consumer => consumer::change_secrets(&mut resource.value, plugins::ALL, seal),
                kind => secret::change(kind, &mut resource.value, seal),
            };
            match changed {
                Ok(()) => {}
            }
        }
        sealed
    }

    /// An error about a place in this file.
    #[must_use]
    pub fn error(&self, finding: &Finding) -> ConfigError {
        located(&self.file, &self.document, finding)
    }
}

/// Reads and checks a file.
///
/// # Errors
/// Everything that is wrong with it, each with its line and field.
pub fn load(path: &Path, plugins: &[PluginInfo]) -> Result<Loaded, ConfigErrors> {
    let file = path.display().to_string();
    let text = read(path).map_err(|(message, hint)| whole_file(&file, message, hint))?;
    // Absolute, because versions are stored with it and outlive this working directory.
    let base_dir = base_dir(path)
        .map_err(|error| whole_file(&file, format!("its directory cannot be found: {error}"), ""))?;
    let mut loaded = parse_in(&base_dir, &file, &text, plugins)?;
    resolve_paths(&mut loaded.settings, &loaded.base_dir);
    Ok(loaded)
}

fn base_dir(path: &Path) -> std::io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    Ok(absolute.parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf))
}

/// Checks the text of a file. Other files that it names are looked for below the working directory.
///
/// # Errors
/// As [`load()`].
pub fn parse(file: &str, text: &str, plugins: &[PluginInfo]) -> Result<Loaded, ConfigErrors> {
    parse_in(Path::new("."), file, text, plugins)
}

/// The same for a file of a directory, below which other files that it names are looked for.
///
/// # Errors
/// As [`load()`].
pub fn parse_in(
    base_dir: &Path,
    file: &str,
    text: &str,
    plugins: &[PluginInfo],
) -> Result<Loaded, ConfigErrors> {
    let document = Document::parse(text).map_err(|errors| {
        let errors = errors.into_iter().map(|error| ConfigError {
            file: file.to_owned(),
            line: error.position.line,
            column: error.position.column,
            field: pointer::to_field(&error.pointer),
            message: error.message,
            hint: error.hint,
        });
        sorted(errors.collect())
    })?;
    let mut findings = Vec::new();
    let (top, collections) = split(&document.value, &mut findings);
    let settings = settings_check::parse(&top, &mut findings);
    let resources = resources::collect(&collections, plugins, &document, base_dir, &mut findings);
    references::check(&resources, &mut findings);
    match settings {
        Some(settings) if findings.is_empty() => {
            let base_dir = base_dir.to_path_buf();
            Ok(Loaded { file: file.to_owned(), base_dir, settings, resources, document })
        }
        _ => Err(sorted(findings.iter().map(|finding| located(file, &document, finding)).collect())),
    }
}

/// Separates the collections of resources from the settings. A setting that is `null` counts as absent.
fn split(document: &Value, findings: &mut Vec<Finding>) -> (Value, Map<String, Value>) {
    let mut settings = Map::new();
    let mut collections = Map::new();
    match document {
        Value::Null => {}
        Value::Object(map) => {
            for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                let into = if resources::kind(key).is_some() { &mut collections } else { &mut settings };
                into.insert(key.clone(), value.clone());
            }
        }
        _ => findings.push(Finding {
            pointer: String::new(),
            message: "the file must be a mapping: `listen: ...`, `routes: ...`".to_owned(),
            hint: String::new(),
        }),
    }
    (Value::Object(settings), collections)
}

fn read(path: &Path) -> Result<String, (String, &'static str)> {
    let unreadable =
        |error: std::io::Error| (format!("cannot be read: {error}"), "check the path and its permissions");
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err((
            format!("larger than {MAX_FILE_BYTES} bytes"),
            "put resources into the store by the Admin API",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        (format!("not valid UTF-8: byte {at} begins no character"), "save the file as UTF-8")
    })
}

/// Relative paths in a file mean: relative to the file.
fn resolve_paths(settings: &mut Settings, base_dir: &Path) {
    for path in [&mut settings.data_dir, &mut settings.tls_ca_file].into_iter().flatten() {
        *path = base_dir.join(&*path);
    }
    if let AccessLog::File(path) = &mut settings.access_log {
        *path = base_dir.join(&*path);
    }
}

fn located(file: &str, document: &Document, finding: &Finding) -> ConfigError {
    let position = document.position(&finding.pointer);
    ConfigError {
        file: file.to_owned(),
        line: position.line,
        column: position.column,
        field: pointer::to_field(&finding.pointer),
        message: finding.message.clone(),
        hint: finding.hint.clone(),
    }
}

fn whole_file(file: &str, message: String, hint: &str) -> ConfigErrors {
    let (file, hint) = (file.to_owned(), hint.to_owned());
    ConfigErrors(vec![ConfigError { file, line: 0, column: 0, field: String::new(), message, hint }])
}

fn sorted(mut errors: Vec<ConfigError>) -> ConfigErrors {
    errors.sort_by(|a, b| (a.line, a.column, &a.field).cmp(&(b.line, b.column, &b.field)));
    errors.dedup();
    errors.truncate(MAX_ERRORS);
    ConfigErrors(errors)
}

#[cfg(test)]
mod tests;
