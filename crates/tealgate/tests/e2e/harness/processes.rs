//! Processes by what `/proc` says of them. Environments survive Tealgate by design, so a test must find and end them
//! itself: each names the test's own directory on its command line.

use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;

/// Ends every process that names the directory on its command line, until there is none.
pub(crate) fn end_all_of(directory: &Path) {
    for _ in 0..100 {
        let pids = naming(&directory.display().to_string());
        if pids.is_empty() {
            return;
        }
        for pid in pids {
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::yield_now();
    }
}

/// The processes that have this text on their command line, and are not over (a zombie has no command line).
pub(crate) fn naming(text: &str) -> Vec<Pid> {
    let own = rustix::process::getpid();
    let entries = std::fs::read_dir("/proc").unwrap();
    let pids = entries.flatten().filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    let names = |pid: &Pid| {
        let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text)
    };
    pids.filter(|pid| *pid != own).filter(names).collect()
}

/// The process of a child.
pub(crate) fn pid_of(child: &std::process::Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap()).unwrap()
}
