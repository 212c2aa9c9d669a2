//! Ends this process at failpoints of its releases, so that the tests can see what a crash there leaves.
//!
//! Only builds with debug assertions do so: a release binary does not even look at the variable.

/// What the environment asks for: nothing, in a binary that people run.
#[cfg(not(debug_assertions))]
pub(super) fn from_environment() -> release::failpoint::Failpoints {
    release::failpoint::Failpoints::default()
}

#[cfg(debug_assertions)]
pub(super) use debug::from_environment;

#[cfg(debug_assertions)]
mod debug {
    use release::failpoint::{Failpoints, Point};
    use rustix::process::{Resource, Rlimit, setrlimit};
    use std::fs::{OpenOptions, read_to_string};
    use std::io::Write as _;
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex, PoisonError};

    /// Names a file of points, one a line. The process ends at the first one that it does not name, and adds it: a
    /// process that is started again and again dies once at each.
    const VARIABLE: &str = "TEALGATE_FAILPOINTS";

    pub(in super::super) fn from_environment() -> Failpoints {
        let Some(file) = std::env::var_os(VARIABLE) else { return Failpoints::default() };
        let file = Mutex::new(PathBuf::from(file));
        Failpoints::told_to(Arc::new(move |point| {
            // Two at a time would both be written, and only one of them died at.
            let file = file.lock().unwrap_or_else(PoisonError::into_inner);
            die_once(&file, &point);
            Box::pin(std::future::ready(()))
        }))
    }

    fn die_once(file: &Path, point: &Point) {
        let name = point.to_string();
        if read_to_string(file).unwrap_or_default().lines().any(|known| known == name) {
            return;
        }
        let added = OpenOptions::new().create(true).append(true).open(file);
        if added.and_then(|mut file| writeln!(file, "{name}")).is_ok() {
            // Nobody looks at the memory of a process that dies a hundred times.
            let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
            std::process::abort();
        }
    }
}
