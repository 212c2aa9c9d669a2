//! A directory of a test's own; nothing that was started in it outlives it.

use super::processes;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Everything of one test lies in here. Declare it first: it must be dropped last.
pub(crate) struct World {
    directory: TempDir,
}

impl World {
    pub(crate) fn new() -> World {
        World { directory: tempfile::Builder::new().prefix("tealgate-e2e-").tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Writes a file and gives its path as text.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Writes `tealgate.yaml` (JSON is YAML) by replacing it, as editors do, and gives its path.
    pub(crate) fn config(&self, content: &Value) -> String {
        let new = self.file("tealgate.yaml.new", content.to_string());
        let path = self.path().join("tealgate.yaml");
        std::fs::rename(new, &path).unwrap();
        path.display().to_string()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        processes::end_all_of(self.path());
    }
}
