//! Where an instance's stdout and stderr go: `logs/<app>-<colour>-<number>.log` in the data directory.
//!
//! The processes write to the file themselves, so that nothing is lost while Tealgate is down. It is bounded: a file
//! above the limit becomes `.log.1` (the one before is dropped).

use model::colour::Colour;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Largest file before it is rotated, bytes.
pub(super) const ROTATE_ABOVE: u64 = 16 * 1024 * 1024;
/// How much of the end of a file is read for its last lines, bytes.
const TAIL: u64 = 256 * 1024;

/// What a line begins with that says whose output follows.
const BEGINS: &str = "=== tealgate: output of release ";

/// The log of one instance.
#[derive(Clone, Debug)]
pub(super) struct LogFile {
    path: PathBuf,
}

impl LogFile {
    pub(super) fn new(data_dir: &Path, app: &str, colour: Colour, number: u16) -> LogFile {
        LogFile { path: data_dir.join("logs").join(format!("{app}-{colour}-{number}.log")) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn rotated(&self) -> PathBuf {
        self.path.with_extension("log.1")
    }

    /// Opens it for appending, rotated before if it is too large. A line says which release's output begins.
    ///
    /// # Errors
    /// When the directory is not writable.
    pub(super) fn open(&self, release: &str) -> io::Result<File> {
        if let Some(directory) = self.path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        if fs::metadata(&self.path).is_ok_and(|file| file.len() > ROTATE_ABOVE) {
            fs::rename(&self.path, self.rotated())?;
        }
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        writeln!(file, "{BEGINS}{release}")?;
        Ok(file)
    }

    /// Cuts a file that grew too large while its process holds it open: copied, then emptied. What is written between
    /// the two is lost; a full disk would lose more.
    ///
    /// # Errors
    /// When the copy cannot be made; the file is emptied all the same.
    pub(super) fn cut(&self) -> io::Result<()> {
        if !fs::metadata(&self.path).is_ok_and(|file| file.len() > ROTATE_ABOVE) {
            return Ok(());
        }
        let copied = fs::copy(&self.path, self.rotated());
        OpenOptions::new().write(true).open(&self.path)?.set_len(0)?;
        copied.map(|_| ())
    }

    /// The last lines of a release's output, newest last, whole.
    pub(super) fn last_lines(&self, release: &str, lines: usize) -> Vec<String> {
        let bytes = self.tail().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        // Where the beginning is no longer in the part that is read, it is of whoever wrote last.
        let whose = text.lines().rev().find_map(|line| line.strip_prefix(BEGINS));
        let mut is_wanted = whose.is_none_or(|whose| whose == release) && !text.starts_with(BEGINS);
        let mut wanted = Vec::new();
        for line in text.lines() {
            match line.strip_prefix(BEGINS) {
                Some(whose) => is_wanted = whose == release,
                None if is_wanted => wanted.push(line.to_owned()),
                None => {}
            }
        }
        wanted.split_off(wanted.len().saturating_sub(lines))
    }

    fn tail(&self) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        let from = file.metadata()?.len().saturating_sub(TAIL);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        // The first line is probably only its end.
        let begin =
            if from == 0 { 0 } else { bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
        Ok(bytes.split_off(begin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(directory: &Path) -> LogFile {
        LogFile::new(directory, "shop.v", Colour::Green, 2)
    }

    #[test]
    fn the_name_says_app_colour_and_number() {
        assert_eq!(log(Path::new("/d")).path(), Path::new("/d/logs/shop.v-green-2.log"));
        assert_eq!(log(Path::new("/d")).rotated(), Path::new("/d/logs/shop.v-green-2.log.1"));
    }

    #[test]
    fn a_log_is_appended_to_and_its_last_lines_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(directory.path());
        assert!(log.last_lines("shop-1", 5).is_empty());
        log.open("shop-1").unwrap().write_all(b"one\ntwo\n").unwrap();
        log.open("shop-1").unwrap().write_all(b"three\nfo\xffur").unwrap();
        assert_eq!(log.last_lines("shop-1", 3), ["two", "three", "fo\u{fffd}ur"]);
    }

    #[test]
    fn the_lines_of_another_release_are_not_told() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(directory.path());
        for (release, line) in [("shop-1", "old"), ("shop-2", "new"), ("shop-1", "old again")] {
            writeln!(log.open(release).unwrap(), "{line}").unwrap();
        }
        assert_eq!(log.last_lines("shop-2", 9), ["new"]);
        assert_eq!(log.last_lines("shop-1", 9), ["old", "old again"]);
        assert!(log.last_lines("shop-3", 9).is_empty());
    }

    #[test]
    fn a_long_log_is_read_only_at_its_end_and_begins_with_a_whole_line() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(directory.path());
        let mut file = log.open("shop-1").unwrap();
        for number in 0..40_000 {
            writeln!(file, "line {number:06}").unwrap();
        }
        let lines = log.last_lines("shop-1", usize::MAX);
        assert!(lines.len() < 40_000);
        assert!(lines.iter().all(|line| line.len() == 11), "{:?}", lines.first());
        assert_eq!(lines.last().unwrap(), "line 039999");
    }

    #[test]
    fn a_log_above_the_limit_is_rotated_at_a_start_and_cut_while_it_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(directory.path());
        let grow = || log.open("shop-1").unwrap().set_len(ROTATE_ABOVE + 1).unwrap();
        grow();
        let mut file = log.open("shop-1").unwrap();
        let first_line = format!("{BEGINS}shop-1\n");
        assert_eq!(fs::read(log.path()).unwrap(), first_line.as_bytes());
        assert_eq!(fs::metadata(log.rotated()).unwrap().len(), ROTATE_ABOVE + 1);

        file.set_len(ROTATE_ABOVE + 1).unwrap();
        fs::remove_file(log.rotated()).unwrap();
        log.cut().unwrap();
        assert_eq!(fs::metadata(log.rotated()).unwrap().len(), ROTATE_ABOVE + 1);
        file.write_all(b"after\n").unwrap();
        assert_eq!(fs::read(log.path()).unwrap(), b"after\n");
        log.cut().unwrap();
        assert_eq!(fs::read(log.path()).unwrap(), b"after\n");
    }
}
