//! What reached this process: how many requests, and which ids of those that must not be repeated.
//!
//! A line is written before its request is answered, so the file is whole whenever the process ends.

use crate::cli::sample_app::SampleAppArgs;
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Most ids that are remembered to find repeated ones.
const MAX_IDS: usize = 4_000_000;
/// Most repeated ids that are told.
const MAX_TOLD: usize = 100;
/// Longest id that is kept, bytes.
const LONGEST_ID: usize = 128;

pub(super) struct Ledger {
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    file: Option<File>,
    requests: u64,
    without_id: u64,
    /// Ids of requests that must not be repeated (RFC 9110 §9.2.2: not idempotent).
    once: HashSet<String>,
    non_idempotent: u64,
    duplicates: Vec<String>,
    duplicated: u64,
}

impl Ledger {
    pub(super) fn open(path: Option<&Path>) -> io::Result<Ledger> {
        let file = path.map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose()?;
        Ok(Ledger { pages: Mutex::new(Pages { file, ..Pages::default() }) })
    }

    /// Enters a request. The file gets one line, `ID 1`: a dump in the form that `load::reconcile` adds up.
    pub(super) fn reached(&self, method: &Method, id: &str) -> io::Result<()> {
        let printable = |id: &str| id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic());
        let id = if !id.is_empty() && printable(id) { id } else { "-" };
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.requests += 1;
        if id == "-" {
            pages.without_id += 1;
        }
        if !method.is_idempotent() {
            pages.non_idempotent += 1;
            let room = pages.once.len() < MAX_IDS;
            if id != "-" && room && !pages.once.insert(id.to_owned()) {
                pages.duplicated += 1;
                if pages.duplicates.len() < MAX_TOLD {
                    pages.duplicates.push(id.to_owned());
                }
            }
        }
        match &mut pages.file {
            Some(file) => file.write_all(format!("{id} 1\n").as_bytes()),
            None => Ok(()),
        }
    }

    pub(super) fn account(&self, arguments: &SampleAppArgs) -> Value {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        json!({
            "version": arguments.version,
            "colour": arguments.colour,
            "instance": arguments.instance,
            "requests": pages.requests,
            "without_id": pages.without_id,
            "non_idempotent": pages.non_idempotent,
            "duplicated": pages.duplicated,
            "duplicates": pages.duplicates,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_post_is_a_duplicate_and_a_repeated_get_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger");
        let ledger = Ledger::open(Some(&path)).unwrap();
        for (method, id) in [
            (Method::POST, "a"),
            (Method::GET, "b"),
            (Method::GET, "b"),
            (Method::POST, "a"),
            (Method::POST, "x y"),
        ] {
            ledger.reached(&method, id).unwrap();
        }
        let pages = ledger.pages.lock().unwrap();
        assert_eq!((pages.requests, pages.non_idempotent, pages.duplicated, pages.without_id), (5, 3, 1, 1));
        assert_eq!(pages.duplicates, ["a"]);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "a 1\nb 1\nb 1\na 1\n- 1\n");
    }
}
