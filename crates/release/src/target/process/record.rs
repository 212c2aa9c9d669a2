//! What is remembered of an instance on disk, so that a later Tealgate finds it again:
//! `environments/<app>/<colour>/<number>.json`, readable by its owner only, replaced as a whole. No secret is in it.
//!
//! It is written twice per start: before (the instance's id, by which what a crash leaves of it is found and ended) and
//! after (what identifies the process); only then does the process become the program.

use super::session::Mark;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The format that this version writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;
/// Largest file that is read, bytes; ours have less than one kilobyte.
const SIZE_MAX: u64 = 64 * 1024;

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// Format of this file.
    pub(super) format: u32,
    /// The instance's id, new for every start.
    pub(super) instance: String,
    /// The release that brought the version.
    pub(super) release: String,
    /// The version.
    pub(super) version: String,
    /// Digest of all of the spec that a running process cannot change.
    pub(super) digest: String,
    /// Its port.
    pub(super) port: u16,
    /// How often it was restarted because it exited.
    pub(super) restarts: u32,
    /// The process; absent from just before it is started until just after.
    pub(super) process: Option<Mark>,
}

/// The records of one environment.
#[derive(Clone, Debug)]
pub(super) struct Records {
    directory: PathBuf,
}

impl Records {
    pub(super) fn new(data_dir: &Path, app: &str, colour: model::colour::Colour) -> Records {
        Records { directory: data_dir.join("environments").join(app).join(colour.name()) }
    }

    fn path(&self, number: u16) -> PathBuf {
        self.directory.join(format!("{number}.json"))
    }

    /// The numbers that have a record, in order.
    pub(super) fn numbers(&self) -> Vec<u16> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok();
        let mut numbers: Vec<u16> = entries.flatten().filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Reads a record; a damaged one is put aside (`.damaged`) and counts as absent: the instance is started anew.
    ///
    /// # Errors
    /// When the file cannot be read, or a newer Tealgate wrote it.
    pub(super) fn read(&self, number: u16) -> io::Result<Option<Record>> {
        let path = self.path(number);
        let mut text = String::new();
        match File::open(&path).and_then(|file| file.take(SIZE_MAX).read_to_string(&mut text)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => text.clear(),
            Err(error) => return Err(error),
        }
        let format = serde_json::from_str::<serde_json::Value>(&text).ok();
        let format =
            format.as_ref().and_then(|value| value.get("format")).and_then(serde_json::Value::as_u64);
        if let Some(newer) = format.filter(|format| *format > u64::from(FORMAT)) {
            let what = format!("{} has format {newer}, written by a newer Tealgate", path.display());
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        }
        match serde_json::from_str(&text) {
            Ok(record) => Ok(Some(record)),
            Err(error) => {
                let path = path.display();
                tracing::warn!(%path, %error, "instance record is damaged; it is put aside and the instance starts anew");
                fs::rename(self.path(number), self.directory.join(format!("{number}.json.damaged")))?;
                Ok(None)
            }
        }
    }

    /// Replaces a record durably.
    ///
    /// # Errors
    /// When the disk is full or the directory not writable.
    pub(super) fn write(&self, number: u16, record: &Record) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let fresh = self.directory.join(format!("{number}.json.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.sync_all()?;
        fs::rename(&fresh, self.path(number))?;
        File::open(&self.directory)?.sync_all()
    }

    /// Forgets an instance, if the record still is this one's.
    ///
    /// # Errors
    /// When the directory is not writable.
    pub(super) fn remove(&self, number: u16, instance: &str) -> io::Result<()> {
        match self.read(number)? {
            Some(record) if record.instance == instance => fs::remove_file(self.path(number)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::colour::Colour;
    use std::os::unix::fs::PermissionsExt;

    fn record(instance: &str) -> Record {
        Record {
            format: FORMAT,
            instance: instance.to_owned(),
            release: "r1".to_owned(),
            version: "v1".to_owned(),
            digest: "d".to_owned(),
            port: 8_080,
            restarts: 2,
            process: Some(Mark { pid: 7, start_time: 8, boot_id: "b".to_owned() }),
        }
    }

    #[test]
    fn a_record_is_found_again_and_is_nobody_elses_to_read() {
        let data_dir = tempfile::tempdir().unwrap();
        let records = Records::new(data_dir.path(), "shop", Colour::Green);
        assert_eq!(records.read(3).unwrap(), None);
        records.write(3, &record("a")).unwrap();
        records.write(11, &record("b")).unwrap();
        assert_eq!(records.read(3).unwrap(), Some(record("a")));
        assert_eq!(records.numbers(), [3, 11]);
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(records.path(3)), 0o600);
        assert_eq!(mode(records.directory.clone()), 0o700);
    }

    #[test]
    fn only_the_owner_of_a_record_removes_it() {
        let data_dir = tempfile::tempdir().unwrap();
        let records = Records::new(data_dir.path(), "shop", Colour::Green);
        records.write(0, &record("new")).unwrap();
        records.remove(0, "old").unwrap();
        assert_eq!(records.numbers(), [0]);
        records.remove(0, "new").unwrap();
        assert!(records.numbers().is_empty());
    }

    #[test]
    fn a_damaged_record_is_put_aside_and_a_newer_one_is_refused() {
        let data_dir = tempfile::tempdir().unwrap();
        let records = Records::new(data_dir.path(), "shop", Colour::Blue);
        records.write(0, &record("a")).unwrap();
        for damage in [&b"{\"format\":1"[..], b"", b"\xff\xfe", b"{\"format\":1,\"pid\":5}"] {
            fs::write(records.path(0), damage).unwrap();
            assert_eq!(records.read(0).unwrap(), None);
            assert!(records.numbers().is_empty());
            assert_eq!(fs::read(records.directory.join("0.json.damaged")).unwrap(), damage);
        }
        fs::write(records.path(0), b"{\"format\":2,\"more\":[]}").unwrap();
        assert!(records.read(0).unwrap_err().to_string().contains("newer Tealgate"));
        assert_eq!(records.numbers(), [0]);
    }
}
