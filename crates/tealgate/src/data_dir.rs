//! Where the data directory is when nobody says so, and how it is made: private.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt};
use std::path::{Path, PathBuf};

/// `/var/lib/tealgate` for root; else `$XDG_STATE_HOME/tealgate` or `~/.local/state/tealgate` (XDG base directory
/// specification). `None` when there is neither.
#[must_use]
pub fn default() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/var/lib/tealgate"));
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("tealgate"))
}

/// Makes the directory if it is missing, and takes all rights on it from others (0700).
///
/// # Errors
/// When it cannot be made, or is no directory, or is not ours.
pub fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let metadata = std::fs::metadata(path)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_is_private_even_if_it_was_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        make(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        make(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
