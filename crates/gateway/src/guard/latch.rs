//! The latch of a guard: a file that remembers that it has fired.
//!
//! It is made whole and synced when the guard is armed, and tripping it overwrites bytes that it has already, so that a
//! full disk cannot stop that (a file system that never writes in place needs a block, though). A file that cannot be
//! made is an error before any traffic has moved. What stands in the second part is a trip, also if it was cut off in
//! the middle: nothing but a trip ever writes there.

use std::fs::{File, OpenOptions, ReadDir};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use telemetry::report::GuardTrip;

/// The whole file.
const FILE_BYTES: usize = 4_096;
/// The first part: what the file is, for people.
const HEAD_BYTES: usize = 512;
/// The most that a trip takes.
const TRIP_BYTES: usize = FILE_BYTES - HEAD_BYTES;
const EXTENSION: &str = "latch";

/// An open latch.
#[derive(Debug)]
pub(super) struct Latch {
    file: File,
    path: PathBuf,
}

impl Latch {
    /// Opens the latch of a guard, or makes it.
    ///
    /// # Errors
    /// When it cannot be read, or not be made whole.
    pub(super) fn arm(directory: &Path, id: &str) -> io::Result<Latch> {
        let path = directory.join(format!("{id}.{EXTENSION}"));
        std::fs::create_dir_all(directory)?;
        let is_new = !path.exists();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        let latch = Latch { file, path };
        match latch.make_whole(directory, id) {
            Err(error) if is_new => {
                latch.remove();
                Err(error)
            }
            Err(error) => Err(error),
            Ok(()) => Ok(latch),
        }
    }

    /// What is missing of the file is written; one that was made before is whole already.
    fn make_whole(&self, directory: &Path, id: &str) -> io::Result<()> {
        let length = usize::try_from(self.file.metadata()?.len()).unwrap_or(FILE_BYTES).min(FILE_BYTES);
        if length == FILE_BYTES {
            return Ok(());
        }
        let mut whole = format!("The latch of the guard {id} of a release. What stands below is a trip.\n");
        whole.truncate(HEAD_BYTES);
        let mut whole = whole.into_bytes();
        whole.resize(FILE_BYTES, 0);
        let missing = whole.get(length..).unwrap_or_default();
        self.file.write_all_at(missing, length as u64)?;
        self.file.sync_all()?;
        File::open(directory)?.sync_all()
    }

    /// Writes down that the guard has fired, and returns when that is on disk.
    ///
    /// # Errors
    /// When it cannot be written. The guard has fired all the same.
    pub(super) fn trip(&self, trip: &GuardTrip) -> io::Result<()> {
        self.file.write_all_at(&record(trip), HEAD_BYTES as u64)?;
        self.file.sync_data()
    }

    /// The trip that is written down, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn tripped(&self) -> io::Result<Option<GuardTrip>> {
        let mut bytes = [0; TRIP_BYTES];
        self.file.read_exact_at(&mut bytes, HEAD_BYTES as u64)?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(TRIP_BYTES);
        let trip = bytes.get(..end).and_then(|text| serde_json::from_slice(text).ok());
        Ok(Some(trip.unwrap_or_else(|| GuardTrip {
            bound: "other".to_owned(),
            evidence: vec!["it fired before a restart; why cannot be read any more".to_owned()],
            latched: true,
            ..GuardTrip::default()
        })))
    }

    /// Removes the file: what it was for is over.
    pub(super) fn remove(&self) {
        remove(&self.path);
    }
}

/// Removes the latches of a directory whose guards are not among these.
pub(super) fn remove_others(directory: &Path, wanted: impl Fn(&str) -> bool) {
    let entries = std::fs::read_dir(directory).into_iter().flat_map(ReadDir::flatten);
    for path in entries.map(|entry| entry.path()) {
        let is_latch = path.extension().is_some_and(|extension| extension == EXTENSION);
        let id = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_latch);
        if id.is_some_and(|id| !wanted(id)) {
            remove(&path);
        }
    }
}

fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "a latch that is over stays");
        }
        _ => {}
    }
}

/// A trip as bytes that fill their part of the file; words that do not fit are left out.
fn record(trip: &GuardTrip) -> Vec<u8> {
    let mut trip = GuardTrip { latched: true, ..trip.clone() };
    loop {
        let mut bytes = serde_json::to_vec(&trip).unwrap_or_default();
        if !bytes.is_empty() && bytes.len() <= TRIP_BYTES {
            bytes.resize(TRIP_BYTES, 0);
            return bytes;
        }
        if trip.evidence.pop().is_none() {
            return vec![b'!'; TRIP_BYTES];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trip(evidence: &str) -> GuardTrip {
        GuardTrip { bound: "break".to_owned(), evidence: vec![evidence.to_owned()], ..GuardTrip::default() }
    }

    #[test]
    fn a_trip_is_found_again_and_an_armed_latch_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let latch = Latch::arm(directory.path(), "shop-1").unwrap();
        assert_eq!(latch.tripped().unwrap(), None);
        latch.trip(&trip("5 of 5")).unwrap();
        let again = Latch::arm(directory.path(), "shop-1").unwrap();
        let found = again.tripped().unwrap().unwrap();
        assert_eq!((found.evidence, found.latched), (vec!["5 of 5".to_owned()], true));
        assert_eq!(Latch::arm(directory.path(), "shop-2").unwrap().tripped().unwrap(), None);
    }

    #[test]
    fn tripping_takes_no_more_room_than_arming_did() {
        let directory = tempfile::tempdir().unwrap();
        let latch = Latch::arm(directory.path(), "g").unwrap();
        let length = || std::fs::metadata(&latch.path).unwrap().len();
        assert_eq!(length(), FILE_BYTES as u64);
        latch.trip(&trip(&"long ".repeat(10_000))).unwrap();
        assert_eq!(length(), FILE_BYTES as u64);
        assert_eq!(latch.tripped().unwrap().unwrap().bound, "break");
    }

    #[test]
    fn a_trip_that_was_cut_off_is_a_trip_and_a_file_that_was_cut_off_is_armed_again() {
        let directory = tempfile::tempdir().unwrap();
        let latch = Latch::arm(directory.path(), "g").unwrap();
        latch.file.write_all_at(b"{\"bou", HEAD_BYTES as u64).unwrap();
        assert_eq!(latch.tripped().unwrap().unwrap().bound, "other");
        latch.file.set_len(HEAD_BYTES as u64 + 3).unwrap();
        assert!(Latch::arm(directory.path(), "g").unwrap().tripped().unwrap().is_some(), "three bytes of it");
        latch.file.set_len(100).unwrap();
        assert_eq!(Latch::arm(directory.path(), "g").unwrap().tripped().unwrap(), None);
    }

    #[test]
    fn what_cannot_be_made_is_an_error_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("in-the-way");
        std::fs::write(&file, "").unwrap();
        assert!(Latch::arm(&file, "g").is_err());
    }

    #[test]
    fn only_the_latches_of_others_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        for id in ["a", "b"] {
            Latch::arm(directory.path(), id).unwrap();
        }
        std::fs::write(directory.path().join("notes.txt"), "").unwrap();
        remove_others(directory.path(), |id| id == "a");
        let mut left: Vec<_> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["a.latch", "notes.txt"]);
    }
}
