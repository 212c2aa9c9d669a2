//! From the command line to everything that `serve` needs to know before it starts anything: the file is read, the
//! flags are laid over it, the result is checked again, the data directory is made.

use crate::cli::serve::ServeArgs;
use crate::config::error::ConfigErrors;
use crate::config::settings::Settings;
use crate::config::{self, Loaded, settings_check};
use crate::data_dir;
use crate::error::{Failure, Outcome};
use crate::exit::Exit;
use std::path::{Path, PathBuf};

/// What `serve` is to run.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The file's settings with the flags over them.
    pub settings: Settings,
    /// The file, if one was named.
    pub loaded: Option<Loaded>,
    /// The data directory; it exists and is private.
    pub data_dir: PathBuf,
}

/// Reads and checks; starts nothing.
///
/// # Errors
/// When the file or a flag is wrong, or there can be no data directory.
pub fn prepare(arguments: &ServeArgs) -> Outcome<Prepared> {
    let loaded = arguments.config.as_deref().map(load).transpose()?;
    let file = loaded.as_ref().map(|loaded| loaded.settings.clone()).unwrap_or_default();
    let settings = arguments.over(file);
    check(&settings)?;
    let data_dir = settings.data_dir.clone().or_else(data_dir::default).ok_or_else(|| {
        Failure::usage(
            "there is no place for the data directory: neither HOME nor XDG_STATE_HOME is set",
            "name one with --data-dir",
        )
    })?;
    data_dir::make(&data_dir).map_err(|error| {
        let error = anyhow::Error::new(error)
            .context(format!("cannot use the data directory {}", data_dir.display()));
        Failure::new(Exit::Internal, error, "name another one with --data-dir, or make it writable")
    })?;
    let data_dir = std::fs::canonicalize(&data_dir).unwrap_or(data_dir);
    Ok(Prepared { settings, loaded, data_dir })
}

/// Reads and checks a configuration file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Outcome<Loaded> {
    config::load(path, plugins::ALL).map_err(|errors| wrong_file(path, errors))
}

fn wrong_file(path: &Path, errors: ConfigErrors) -> Failure {
    let hint = format!("correct it; `tealgate check {}` tells whether all is right", path.display());
    Failure::new(Exit::Usage, anyhow::Error::new(errors).context("the configuration file is wrong"), hint)
}

/// Flags can be in each other's way as the file's fields can.
fn check(settings: &Settings) -> Outcome<()> {
    let mut findings = Vec::new();
    settings_check::check(settings, &mut findings);
    let Some(first) = findings.first() else { return Ok(()) };
    let field = config::pointer::to_field(&first.pointer);
    Err(Failure::usage(format!("{field}: {}", first.message), first.hint.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(directory: &Path) -> ServeArgs {
        ServeArgs { data_dir: Some(directory.join("data")), ..ServeArgs::default() }
    }

    #[test]
    fn no_file_at_all_works() {
        let directory = tempfile::tempdir().unwrap();
        let prepared = prepare(&arguments(directory.path())).unwrap();
        assert!(prepared.data_dir.is_dir());
        assert!(prepared.loaded.is_none());
        assert_eq!(prepared.settings.listen, Settings::default().listen);
    }

    #[test]
    fn flags_that_are_in_each_others_way_are_a_usage_error() {
        let directory = tempfile::tempdir().unwrap();
        let listen = vec!["127.0.0.1:9180".parse().unwrap()];
        let failure = prepare(&ServeArgs { listen, ..arguments(directory.path()) }).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.text().contains("already taken by `listen`"), "{}", failure.text());
    }

    #[test]
    fn a_wrong_file_tells_all_its_errors() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.yaml");
        std::fs::write(&path, "lisetn: x\nthreads: 0\n").unwrap();
        let failure = prepare(&ServeArgs { config: Some(path), ..arguments(directory.path()) }).unwrap_err();
        let text = failure.text();
        assert!(text.contains("t.yaml:1:1: lisetn"), "{text}");
    }

    #[test]
    fn a_data_directory_that_cannot_be_is_named() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("data"), "a file").unwrap();
        let failure = prepare(&arguments(directory.path())).unwrap_err();
        assert!(failure.text().contains("cannot use the data directory"), "{}", failure.text());
    }
}
