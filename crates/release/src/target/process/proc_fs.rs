//! What `/proc` says of processes. Only reads; decides nothing.

use std::fs::{self, File};
use std::io::{self, Read};

/// Largest environment that is read, bytes; the kernel's own limit for arguments and environment is near it.
const ENVIRON_MAX: u64 = 2 * 1024 * 1024;

/// The fields of `/proc/<pid>/stat` that identify a process (proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Field 3: `R`, `S`, `Z`, ...
    pub(super) state: char,
    /// Field 6: the session.
    pub(super) session: u32,
    /// Field 20: its threads that have not ended, the first one included until it is waited for.
    pub(super) threads: u32,
    /// Field 22: clock ticks between boot and the start of the process.
    pub(super) start_time: u64,
}

impl Stat {
    /// Whether any of it can still run. The state is that of the first thread: of a process that is being killed it may be
    /// a zombie while another one still holds the files and the port.
    pub(super) fn runs(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x') || self.threads > 1
    }
}

/// Reads `/proc/<pid>/stat`; `None` when there is no such process.
pub(super) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let session = fields.nth(2)?.parse().ok()?;
    let threads = fields.nth(13)?.parse().ok()?;
    let start_time = fields.nth(1)?.parse().ok()?;
    Some(Stat { state, session, threads, start_time })
}

/// All pids that exist now.
pub(super) fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A variable in the environment that a process was started with. `None` also when the process has overwritten its
/// environment (nginx does, to set its title) or when we may not look.
pub(super) fn environ_value(pid: u32, name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(format!("/proc/{pid}/environ")).ok()?.take(ENVIRON_MAX).read_to_end(&mut bytes).ok()?;
    bytes.split(|byte| *byte == 0).find_map(|entry| {
        let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        String::from_utf8(value.to_vec()).ok()
    })
}

/// The inodes of the sockets that a process holds.
///
/// # Errors
/// When we may not look: the process runs as somebody else.
pub(super) fn socket_inodes(pid: u32) -> io::Result<Vec<u64>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))?;
    let inode = |entry: fs::DirEntry| {
        let link = fs::read_link(entry.path()).ok()?;
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    Ok(entries.flatten().filter_map(inode).collect())
}

/// Names this boot of the machine; pids and start times mean nothing in another.
///
/// # Errors
/// When `/proc` is not mounted.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let text = "42 (a) b) (c) S 1 42 17 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 9 9 9\n";
        assert_eq!(parse_stat(text), Some(Stat { state: 'S', session: 17, threads: 1, start_time: 98_765 }));
    }

    #[test]
    fn a_process_whose_first_thread_has_ended_runs_as_long_as_another_does() {
        let of = |threads| {
            parse_stat(&format!("42 (a) Z 1 42 17 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 {threads} 0 98765 9"))
        };
        assert!(of(2).is_some_and(|stat| stat.runs()));
        assert!(of(1).is_some_and(|stat| !stat.runs()));
    }

    #[test]
    fn a_line_that_is_cut_off_is_no_process() {
        assert_eq!(parse_stat("42 (a) S 1 42"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn our_own_process_is_found() {
        let own = std::process::id();
        assert!(pids().contains(&own));
        assert!(stat(own).is_some_and(|stat| stat.runs() && stat.start_time > 0));
    }
}
