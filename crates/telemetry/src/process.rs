//! What the kernel knows about this process, for the metrics: memory, processor time, files. Linux `/proc`.

use rustix::time::{ClockId, clock_gettime};

/// The process at a moment. What cannot be found out is `None`, not zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessInfo {
    /// Processor time of all threads, user and system, seconds.
    pub cpu_s: Option<f64>,
    /// Resident memory, bytes.
    pub resident_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

impl ProcessInfo {
    /// Asks the kernel. Reads `/proc/self`, so not for the request path.
    #[must_use]
    pub fn observe() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        ProcessInfo {
            cpu_s: Some(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9),
            resident_bytes: field(&status, "VmRSS:").map(|kib| kib.saturating_mul(1_024)),
            open_fds: std::fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64),
            threads: field(&status, "Threads:"),
        }
    }
}

/// The number after a name in `/proc/self/status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{ProcessInfo, field};

    #[test]
    fn a_running_process_has_memory_files_and_threads() {
        let process = ProcessInfo::observe();
        assert!(process.resident_bytes.unwrap() > 100_000);
        assert!(process.open_fds.unwrap() >= 3);
        assert!(process.threads.unwrap() >= 1);
        assert!(process.cpu_s.unwrap() > 0.0);
    }

    #[test]
    fn a_field_that_is_missing_or_strange_is_unknown() {
        assert_eq!(field("Name:\tx\nVmRSS:\t  1234 kB\n", "VmRSS:"), Some(1234));
        assert_eq!(field("Name:\tx\n", "VmRSS:"), None);
        assert_eq!(field("VmRSS:\tmany\n", "VmRSS:"), None);
    }
}
