//! A mix out of recorded live requests: the newest part of a gateway's access log.
//!
//! What is taken: requests of users to this app's service that reached a version, with a method that is safe. Bodies and
//! headers are not recorded, and neither are the values of secrets in queries, so what would need them is left out and
//! counted. If there are more than wanted, they are taken evenly over the recording, so each kind of request keeps its
//! share. When they came is not replayed: the rate of a load gate is a stated one.

use model::policy::{Replay, SAFE_METHODS};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{File, metadata};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use telemetry::access_log::{CUT, MASK};

/// What must be written otherwise in a path that was logged in its normal form (RFC 3986 §3.3).
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// One kind of recorded request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Recorded {
    pub(super) method: String,
    /// Lower case, without a port; empty: the client named none.
    pub(super) host: String,
    /// Path and query, as they are sent.
    pub(super) target: String,
}

/// What a recording holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Recording {
    /// The kinds of requests, and how often each was taken.
    pub(super) kinds: BTreeMap<Recorded, u32>,
    /// Lines that were looked at.
    lines: usize,
    /// Lines that could be taken, and those that were.
    fitting: usize,
    taken: usize,
    /// When the first and the last of those that could be taken had come.
    times: Option<(String, String)>,
    /// Why lines were left out, and how many.
    left_out: BTreeMap<LeftOut, usize>,
}

/// Why a line is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum LeftOut {
    OtherService,
    NoUserAtAVersion,
    Unsafe,
    Incomplete,
    Unreadable,
}

impl LeftOut {
    fn words(self) -> &'static str {
        match self {
            LeftOut::OtherService => "of other services",
            LeftOut::NoUserAtAVersion => "that reached no version as a user's",
            LeftOut::Unsafe => "whose method may do something, or that became streams",
            LeftOut::Incomplete => "of which the log does not show everything (secrets, very long ones)",
            LeftOut::Unreadable => "that are no lines of an access log",
        }
    }
}

/// What is read of a line.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    service: Cow<'a, str>,
    #[serde(borrow)]
    answerer: Cow<'a, str>,
    #[serde(borrow)]
    lane: Cow<'a, str>,
    status: u16,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    host: Cow<'a, str>,
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow)]
    query: Cow<'a, str>,
}

/// Reads the newest part of the log and makes the mix of a service. Blocks.
pub(super) fn read(replay: &Replay, base_dir: &Path, service: &str) -> Result<Recording, String> {
    let path = base_dir.join(&replay.access_log);
    let text = newest(&path, replay.newest_bytes).map_err(|error| format!("cannot be read: {error}"))?;
    let most = usize::try_from(replay.max_requests).unwrap_or(usize::MAX);
    Ok(Recording::of(&text, service, most))
}

/// The end of a file, from the beginning of a line on.
fn newest(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    // A pipe would let us wait for ever.
    if !metadata(path)?.is_file() {
        return Err(std::io::Error::other("is no file"));
    }
    let mut file = File::open(path)?;
    let skipped = file.metadata()?.len().saturating_sub(most);
    file.seek(SeekFrom::Start(skipped))?;
    let mut text = Vec::new();
    file.take(most).read_to_end(&mut text)?;
    if skipped > 0 {
        let first = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1);
        text.drain(..first);
    }
    Ok(text)
}

impl Recording {
    fn of(text: &[u8], service: &str, most: usize) -> Recording {
        let mut recording = Recording::default();
        let mut fitting = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let range = at..at + line.len();
            at = range.end;
            // A last line without its end is still being written.
            if line.ends_with(b"\n") {
                recording.look_at(line, range, service, &mut fitting);
            }
        }
        recording.fitting = fitting.len();
        recording.take(text, &fitting, most.min(fitting.len()));
        recording
    }

    fn look_at(&mut self, line: &[u8], at: Range<usize>, service: &str, fitting: &mut Vec<Range<usize>>) {
        self.lines += 1;
        match taken(line, service) {
            Ok((time, _)) => {
                let (_, last) = self.times.get_or_insert_with(|| (time.clone(), String::new()));
                *last = time;
                fitting.push(at);
            }
            Err(why) => *self.left_out.entry(why).or_default() += 1,
        }
    }

    /// Takes so many of the lines, evenly spread.
    fn take(&mut self, text: &[u8], fitting: &[Range<usize>], taken_lines: usize) {
        for number in 0..taken_lines {
            let place = number.saturating_mul(fitting.len()) / taken_lines;
            let line = fitting.get(place).and_then(|at| text.get(at.clone()));
            if let Some(Ok(recorded)) = line.map(recorded) {
                *self.kinds.entry(recorded).or_default() += 1;
                self.taken += 1;
            }
        }
    }

    /// What was recorded, taken and left out, in words.
    pub(super) fn words(&self) -> Vec<String> {
        let Recording { lines, fitting, taken, .. } = self;
        let mut words = Vec::new();
        if let Some((first, last)) = &self.times {
            let kinds = self.kinds.len();
            words.push(format!(
                "recorded from {first} to {last}: {taken} of {fitting} requests that fit, evenly spread, {kinds} different \
                 ones; sent at the stated rate, not in the times in which they came"
            ));
        }
        if !self.left_out.is_empty() {
            let left_out: Vec<String> =
                self.left_out.iter().map(|(why, count)| format!("{count} {}", why.words())).collect();
            words.push(format!("left out of {lines} recorded requests: {}", left_out.join(", ")));
        }
        words
    }
}

fn recorded(line: &[u8]) -> Result<Recorded, LeftOut> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|_| LeftOut::Unreadable)?;
    line.recorded()
}

/// When a line was recorded and what it holds, if it fits.
fn taken(line: &[u8], service: &str) -> Result<(String, Recorded), LeftOut> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|_| LeftOut::Unreadable)?;
    if line.service != service {
        return Err(LeftOut::OtherService);
    }
    if line.answerer == "gate" || line.lane != "share" {
        return Err(LeftOut::NoUserAtAVersion);
    }
    if !SAFE_METHODS.contains(&line.method.as_ref()) || line.status == 101 {
        return Err(LeftOut::Unsafe);
    }
    Ok((line.time.to_string(), line.recorded()?))
}

impl Line<'_> {
    fn recorded(&self) -> Result<Recorded, LeftOut> {
        let is_masked = self
            .query
            .split(['&', ';'])
            .any(|pair| pair.strip_suffix(MASK).is_some_and(|name| name.ends_with('=')));
        let is_cut = self.path.ends_with(CUT) || self.query.ends_with(CUT);
        // A path of bytes that are no text was logged with marks in their place.
        if is_masked || is_cut || self.path.contains('\u{fffd}') {
            return Err(LeftOut::Incomplete);
        }
        let mut target = utf8_percent_encode(&self.path, NOT_IN_PATHS).to_string();
        if !self.query.is_empty() {
            target.push('?');
            target.push_str(&self.query);
        }
        let is_target = target.starts_with('/') && target.parse::<http::uri::PathAndQuery>().is_ok();
        if !is_target {
            return Err(LeftOut::Unreadable);
        }
        Ok(Recorded { method: self.method.to_string(), host: self.host.to_string(), target })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// A line of the log, changed in some fields.
    fn line(path: &str, changes: Value) -> String {
        let mut line = json!({
            "time": "2026-11-21T11:00:00.000001Z", "route": "all", "service": "shop", "answerer": "blue", "lane": "share",
            "epoch": 3, "status": 200, "upstream": "127.0.0.1:1", "upstream_status": 200, "tries": 1,
            "protocol": "HTTP/1.1", "method": "GET", "host": "shop.test", "path": path, "query": "", "client": "::1",
            "total_us": 1, "upstream_us": 1, "request_bytes": 0, "response_bytes": 1, "ending": "whole",
        });
        line.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        format!("{line}\n")
    }

    fn plain(path: &str) -> String {
        line(path, json!({}))
    }

    fn of(text: &str, most: usize) -> Recording {
        Recording::of(text.as_bytes(), "shop", most)
    }

    fn targets(recording: &Recording) -> Vec<(&str, u32)> {
        recording.kinds.iter().map(|(kind, weight)| (kind.target.as_str(), *weight)).collect()
    }

    #[test]
    fn what_users_asked_of_the_service_is_taken_as_often_as_they_asked() {
        let text = [
            plain("/cart"),
            line("/cart", json!({"query": "item=7&page=2"})),
            plain("/cart"),
            line("/caf\u{e9} 1?", json!({"method": "HEAD", "status": 500, "answerer": "green"})),
        ];
        let recording = of(&text.concat(), 100);
        assert_eq!(targets(&recording), [("/cart", 2), ("/cart?item=7&page=2", 1), ("/caf%C3%A9%201%3F", 1)]);
        assert_eq!(recording.kinds.keys().next().unwrap().host, "shop.test");
        let words = recording.words().join("\n");
        assert!(words.contains(": 4 of 4 requests that fit, evenly spread, 3 different ones"), "{words}");
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_counted() {
        let text = [
            line("/a", json!({"service": "blog"})),
            line("/a", json!({"answerer": "gate"})),
            line("/a", json!({"lane": "matched"})),
            line("/a", json!({"method": "POST"})),
            line("/a", json!({"status": 101})),
            line("/a", json!({"query": "page=1&token=***"})),
            line("/a", json!({"query": "q=aaa\u{2026}"})),
            line("/a", json!({"query": "a b"})),
            "{\"time\": 3}\nno line at all\n\n".to_owned(),
            plain("/b"),
            plain("/still being written").trim_end().to_owned(),
        ];
        let recording = of(&text.concat(), 100);
        assert_eq!(targets(&recording), [("/b", 1)]);
        assert_eq!(
            recording.words()[1],
            "left out of 12 recorded requests: 1 of other services, 2 that reached no version as a user's, 2 whose method \
             may do something, or that became streams, 2 of which the log does not show everything (secrets, very long \
             ones), 4 that are no lines of an access log"
        );
    }

    #[test]
    fn more_than_wanted_are_thinned_evenly_so_that_shares_stay() {
        let text: String = (0..1_000).map(|n| plain(if n % 4 == 0 { "/rare" } else { "/often" })).collect();
        let recording = of(&text, 101);
        let [("/often", often), ("/rare", rare)] = *targets(&recording) else { panic!("{recording:?}") };
        assert_eq!(often + rare, 101);
        assert!((20..=31).contains(&rare), "{rare}");
    }

    #[test]
    fn only_the_end_of_a_large_file_is_read_and_only_of_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        std::fs::write(&path, plain("/old") + &plain("/cut in two") + &plain("/new")).unwrap();
        let text = newest(&path, plain("/new").len() as u64 + 20).unwrap();
        assert_eq!(targets(&of(&String::from_utf8(text).unwrap(), 9)), [("/new", 1)]);
        let all = newest(&path, 1_000_000).unwrap();
        assert_eq!(of(&String::from_utf8(all).unwrap(), 9).fitting, 3);
        assert!(newest(directory.path(), 1_000).is_err());
    }

    proptest! {
        #[test]
        fn whatever_stands_in_the_file_no_more_than_wanted_is_taken(
            text in prop::collection::vec(any::<u8>(), 0..400), whole in 0usize..40, most in 0usize..20,
        ) {
            let mut bytes = text;
            bytes.push(b'\n');
            (0..whole).for_each(|n| bytes.extend(plain(&format!("/{n}")).as_bytes()));
            let recording = Recording::of(&bytes, "shop", most);
            let taken: u32 = recording.kinds.values().sum();
            prop_assert_eq!(taken as usize, most.min(whole));
        }
    }
}
