//! CPU time of processes, from `/proc/PID/task/*/schedstat`: nanoseconds on a CPU, per thread.
//!
//! The kernel charges loopback TCP work to whoever sends, for all proxies alike. Threads that end between two
//! readings are not counted; none of the measured proxies ends threads under load.

use std::fs;

/// Nanoseconds that all threads of these processes have spent on a CPU.
#[must_use]
pub fn spent_ns(processes: &[u32]) -> u64 {
    processes.iter().map(|process| of_process(*process)).sum()
}

fn of_process(process: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return 0 };
    let of_task = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    tasks.flatten().filter_map(of_task).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_spent_some_time() {
        assert!(spent_ns(&[std::process::id()]) > 0);
        assert_eq!(spent_ns(&[0]), 0);
    }
}
