//! Runs a program to its end, within a limit: probe commands and command gates.
//!
//! It gets a process group of its own. When the limit is over, when the caller loses interest, and also when the program
//! has ended, whatever is left of the group is killed. Environments are run by `process`, not here.

use super::pidfd::{Ending, Pidfd};
use super::variables::Variables;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;

/// Most output that is kept, bytes: half from the beginning, half from the end.
pub(crate) const OUTPUT_MAX: usize = 1024 * 1024;

/// Bytes read at once.
const READ: usize = 16 * 1024;
/// Most that a pipe holds, bytes (pipe(7), `pipe-max-size`).
const PIPE_MAX: usize = 1024 * 1024;

/// What is to be run. No shell is involved.
#[derive(Debug)]
pub(crate) struct Program {
    /// Program and arguments.
    pub(crate) command: Vec<String>,
    /// Its whole environment.
    pub(crate) variables: Variables,
    /// Where it runs; also where a relative program path begins.
    pub(crate) directory: PathBuf,
}

/// How it went.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It ended by itself.
    Ended(Ending, Output),
    /// It was killed when the limit was over.
    TimedOut(Output),
    /// It could not be run; what is wrong.
    NotRun(String),
}

/// What it wrote to stdout and stderr, bounded.
#[derive(Debug, Default)]
pub(crate) struct Output {
    head: Vec<u8>,
    tail: Vec<u8>,
    left_out: usize,
}

impl Program {
    /// Runs it once. Dropping the future kills it.
    pub(crate) async fn run(&self, limit: Duration) -> Outcome {
        let (mut group, pipe) = match self.start() {
            Ok(started) => started,
            Err(why) => return Outcome::NotRun(why),
        };
        let mut output = Output::default();
        let ended = tokio::time::timeout(limit, async {
            tokio::select! {
                () = group.leader.exited() => {}
                () = output.read_until_closed(&pipe) => group.leader.exited().await,
            }
        })
        .await;
        let ending = group.end();
        output.read_rest(&pipe);
        match ended {
            Ok(()) => Outcome::Ended(ending, output),
            Err(_) => Outcome::TimedOut(output),
        }
    }

    fn start(&self) -> Result<(Group, Receiver), String> {
        let (program, arguments) = self.command.split_first().ok_or("the command is empty")?;
        let path = find(program, &self.directory)?;
        let cannot_run = |error: io::Error| format!("cannot run {}: {error}", path.display());
        let (reader, writer) = io::pipe().map_err(cannot_run)?;
        let child = Command::new(&path)
            .args(arguments)
            .env_clear()
            .envs(self.variables.reveal())
            .current_dir(&self.directory)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(writer.try_clone().map_err(cannot_run)?)
            .stderr(writer)
            .spawn()
            .map_err(cannot_run)?;
        let leader = Pidfd::open(child.id()).map_err(cannot_run)?;
        let group = Group { pid: child.id(), leader, ended: false };
        let pipe = Receiver::from_owned_fd(reader.into()).map_err(cannot_run)?;
        Ok((group, pipe))
    }
}

/// A process group whose leader is our child and not reaped before the group was killed, so that its id is its.
#[derive(Debug)]
struct Group {
    pid: u32,
    leader: Pidfd,
    ended: bool,
}

impl Group {
    /// Kills what is left of it; says how the leader ended.
    fn end(&mut self) -> Ending {
        self.ended = true;
        let ending = self.leader.ending();
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            // No such group: all of it is gone.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        if self.leader.has_exited() {
            self.leader.reap();
        } else if let (Ok(leader), Ok(runtime)) =
            (Pidfd::open(self.pid), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move {
                leader.exited().await;
                leader.reap();
            });
        }
        ending
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            self.end();
        }
    }
}

impl Output {
    async fn read_until_closed(&mut self, pipe: &Receiver) {
        let mut buffer = [0; READ];
        while pipe.readable().await.is_ok() {
            match pipe.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => self.push(buffer.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// Reads what the program left in the pipe, without waiting for writers that it may have left behind. Asks the
    /// kernel itself: the runtime may not have heard yet that there is something to read.
    fn read_rest(&mut self, pipe: &Receiver) {
        let mut buffer = [0; READ];
        for _ in 0..PIPE_MAX / READ {
            match rustix::io::read(pipe, &mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(read) => self.push(buffer.get(..read).unwrap_or_default()),
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(OUTPUT_MAX / 2 - self.head.len()));
        self.head.extend_from_slice(first);
        self.tail.extend_from_slice(rest);
        // Not at every push: moving half a megabyte for every few bytes would cost more than the program.
        if self.tail.len() > OUTPUT_MAX {
            self.cut_tail();
        }
    }

    /// Keeps the newest half of the limit.
    fn cut_tail(&mut self) {
        let surplus = self.tail.len().saturating_sub(OUTPUT_MAX / 2);
        self.tail.drain(..surplus);
        self.left_out += surplus;
    }

    /// All that was kept, as text.
    pub(crate) fn into_text(mut self) -> String {
        self.cut_tail();
        if self.left_out == 0 {
            self.head.append(&mut self.tail);
            return String::from_utf8_lossy(&self.head).into_owned();
        }
        // Whole lines only: half a line may end in half a secret, which nobody could mask.
        let newline = |byte: &u8| *byte == b'\n';
        let head =
            self.head.iter().rposition(newline).and_then(|at| self.head.get(..=at)).unwrap_or_default();
        let tail = self.tail.iter().position(newline).and_then(|at| self.tail.get(at..)).unwrap_or_default();
        let left_out = self.left_out + self.head.len() - head.len() + self.tail.len() - tail.len();
        let (head, tail) = (String::from_utf8_lossy(head), String::from_utf8_lossy(tail));
        format!("{head}[{left_out} bytes left out]{tail}")
    }
}

/// Finds a program: with a slash relative to `directory`, without one in Tealgate's own `PATH`.
///
/// # Errors
/// Says what is wrong: it does not exist, is no file, or may not be executed.
pub(crate) fn find(program: &str, directory: &Path) -> Result<PathBuf, String> {
    if program.is_empty() || program.contains('\0') {
        return Err(format!("{program:?} is no program"));
    }
    if program.contains('/') {
        let path = directory.join(program);
        return match std::fs::metadata(&path) {
            Err(error) => Err(format!("the program {} cannot be found: {error}", path.display())),
            Ok(_) if !is_executable(&path) => Err(format!("{} is no executable file", path.display())),
            Ok(_) => Ok(path),
        };
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&search)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(program))
        .find(|path| is_executable(path))
        .ok_or_else(|| format!("the program {program} is not in Tealgate's PATH; give its full path"))
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        Program { command, variables: Variables::default(), directory: PathBuf::from("/") }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn status_and_output_are_told() {
        match shell("echo out; echo err >&2; exit 3").run(LONG).await {
            Outcome::Ended(ending, output) => {
                assert_eq!((ending, output.into_text().as_str()), (Ending::Status(3), "out\nerr\n"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_environment_is_empty_but_for_what_is_listed() {
        let mut program = Program { command: vec!["env".to_owned()], ..shell("") };
        program.variables.set("ONE", "1");
        match program.run(LONG).await {
            Outcome::Ended(_, output) => assert_eq!(output.into_text(), "ONE=1\n"),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_child_that_stays_behind_is_killed_and_does_not_hold_up_the_end() {
        match shell("sleep 1000 & echo $!").run(LONG).await {
            Outcome::Ended(Ending::Status(0), output) => gone(output.into_text().trim()).await,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_limit_ends_the_whole_group() {
        match shell("trap '' TERM; sleep 1000 & echo $!; wait").run(Duration::from_millis(300)).await {
            Outcome::TimedOut(output) => gone(output.into_text().trim()).await,
            other => panic!("{other:?}"),
        }
    }

    async fn gone(pid: &str) {
        let pid = pid.parse().unwrap();
        // It may be gone altogether already.
        if let Ok(process) = Pidfd::open(pid) {
            tokio::time::timeout(LONG, process.exited()).await.expect("it was to be killed");
        }
    }

    #[tokio::test]
    async fn output_beyond_the_limit_is_dropped_in_the_middle() {
        let script = "echo begin; seq 1000000 1400000; echo end";
        match shell(script).run(LONG).await {
            Outcome::Ended(Ending::Status(0), output) => {
                let text = output.into_text();
                assert!(text.starts_with("begin\n1000000\n") && text.ends_with("\n1400000\nend\n"));
                assert!((OUTPUT_MAX - 100..OUTPUT_MAX + 100).contains(&text.len()), "{}", text.len());
                let left_out =
                    text.lines().find(|line| line.len() != 7 && !["begin", "end"].contains(line)).unwrap();
                let count: usize = left_out
                    .strip_prefix('[')
                    .unwrap()
                    .strip_suffix(" bytes left out]")
                    .unwrap()
                    .parse()
                    .unwrap();
                let written = "begin\nend\n".len() + 400_001 * 8;
                assert_eq!(text.len() - left_out.len() + count, written);
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let lost = Program { command: vec!["no-such-program-here".to_owned()], ..shell("") };
        match lost.run(LONG).await {
            Outcome::NotRun(why) => {
                assert!(why.contains("no-such-program-here is not in Tealgate's PATH"), "{why}")
            }
            other => panic!("{other:?}"),
        }
        assert!(find("./etc/passwd", Path::new("/")).unwrap_err().contains("no executable file"));
        assert!(find("./etc/nothing", Path::new("/")).unwrap_err().contains("cannot be found"));
    }
}
