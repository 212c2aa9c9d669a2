//! The mix of a load gate: from the policy, from a file, or recorded; with secrets resolved.

use super::super::evidence::is_secret_header;
use super::recording::{self, Recorded, Recording};
use crate::target::variables::secret;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use load::kind::{Check, RequestKind, Upload};
use model::app::check_load_mix;
use model::policy::{Load, LoadRequest, Replay};
use model::target::EnvValue;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Header by which whoever is asked knows that it is load, and of which release.
pub(super) const MARK: HeaderName = HeaderName::from_static("x-tealgate-load");
/// Largest file with a mix, bytes.
const FILE_MAX: u64 = 4 * 1024 * 1024;

/// What is sent. Holds secrets: `Debug` shows none of them.
pub(super) struct Mix {
    /// Requests and their weights.
    pub(super) kinds: Vec<(RequestKind, u32)>,
    /// What must not be seen in evidence.
    pub(super) secrets: Vec<String>,
    /// Where it comes from, for the evidence.
    pub(super) words: Vec<String>,
}

impl fmt::Debug for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mix").field("kinds", &self.kinds.len()).finish_non_exhaustive()
    }
}

/// Reads the mix for an app's service. What is wrong with it is said without any value of a header. Blocks.
pub(super) fn read(load: &Load, base_dir: &Path, service: &str, release: &str) -> Result<Mix, String> {
    let mark = HeaderValue::from_str(release).map_err(|error| format!("release {release}: {error}"))?;
    let mut mix = Mix { kinds: Vec::new(), secrets: Vec::new(), words: Vec::new() };
    if let Some(replay) = &load.replay {
        let named = |why| format!("replay {}: {why}", replay.access_log);
        let recording = recording::read(replay, base_dir, service).map_err(named)?;
        mix.words = recording.words();
        mix.replay(replay, recording, base_dir, &mark).map_err(named)?;
        return Ok(mix);
    }
    let mut requests = load.requests.clone();
    if let Some(name) = &load.requests_file {
        let more = read_file(&base_dir.join(name)).map_err(|why| format!("requests_file {name}: {why}"))?;
        if let Some(error) = check_load_mix(load, &more).first() {
            return Err(format!("requests_file {name}: {}: {}", error.pointer, error.text));
        }
        requests.extend(more);
    }
    if requests.is_empty() {
        return Err("there is no request to send".to_owned());
    }
    for request in &requests {
        let kind = mix.kind(request, base_dir, &mark);
        let line = || request.path.split('?').next().unwrap_or_default();
        let kind = kind.map_err(|why| format!("{} {}: {why}", request.method, line()))?;
        mix.kinds.push((kind, request.weight));
    }
    Ok(mix)
}

fn read_file(path: &Path) -> Result<Vec<LoadRequest>, String> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let read = file.take(FILE_MAX + 1).read_to_end(&mut text);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > FILE_MAX {
        return Err(format!("has more than {FILE_MAX} bytes"));
    }
    serde_json::from_slice(&text).map_err(|error| format!("is no list of requests: {error}"))
}

impl Mix {
    /// Takes over what was recorded, with the headers that are sent with all of it.
    fn replay(
        &mut self,
        replay: &Replay,
        recording: Recording,
        base_dir: &Path,
        mark: &HeaderValue,
    ) -> Result<(), String> {
        if recording.kinds.is_empty() {
            let words = self.words.iter().map(|words| format!("; {words}")).collect::<String>();
            return Err(format!("no recorded request fits{words}"));
        }
        let headers = self.headers(&replay.headers, base_dir, mark)?;
        for (Recorded { method, host, target }, weight) in recording.kinds {
            let mut headers = headers.clone();
            if let Ok(host) = HeaderValue::from_str(&host)
                && !host.is_empty()
            {
                headers.insert(header::HOST, host);
            }
            let method = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
            let kind =
                RequestKind { method, path: target, headers, upload: Upload::none(), check: Check::Status };
            self.kinds.push((kind, weight));
        }
        Ok(())
    }

    fn kind(
        &mut self,
        request: &LoadRequest,
        base_dir: &Path,
        mark: &HeaderValue,
    ) -> Result<RequestKind, String> {
        let method = Method::from_bytes(request.method.as_bytes());
        Ok(RequestKind {
            headers: self.headers(&request.headers, base_dir, mark)?,
            method: method.map_err(|error| error.to_string())?,
            path: request.path.clone(),
            upload: match &request.body {
                Some(body) => Upload::whole(Bytes::copy_from_slice(body.as_bytes())),
                None => Upload::none(),
            },
            check: Check::Status,
        })
    }

    /// Headers with their secrets resolved, and the mark.
    fn headers(
        &mut self,
        wanted: &BTreeMap<String, EnvValue>,
        base_dir: &Path,
        mark: &HeaderValue,
    ) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static("tealgate-load"));
        for (name, wanted) in wanted {
            let value = match wanted {
                EnvValue::Text(text) => text.clone(),
                EnvValue::Reference(reference) => {
                    secret(reference, base_dir).map_err(|why| format!("header {name}: {why}"))?
                }
            };
            let named =
                HeaderName::from_bytes(name.as_bytes()).map_err(|error| format!("{name}: {error}"))?;
            let parsed = HeaderValue::from_str(&value);
            headers.insert(named, parsed.map_err(|error| format!("header {name}: {error}"))?);
            if is_secret_header(name) || matches!(wanted, EnvValue::Reference(_)) {
                self.secrets.push(value);
            }
        }
        headers.insert(MARK, mark.clone());
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn load(value: serde_json::Value) -> Load {
        let mut load = json!({"rate_per_second": 10});
        load.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        serde_json::from_value(load).unwrap()
    }

    #[test]
    fn the_mix_is_that_of_the_policy_and_that_of_the_file_with_marks_and_secrets() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), "Bearer s3cret\n").unwrap();
        let file = r#"[{"path": "/b", "weight": 3, "headers": {"User-Agent": "app"}}]"#;
        std::fs::write(directory.path().join("mix.json"), file).unwrap();
        let load = load(json!({"requests_file": "mix.json", "unsafe_methods": ["POST"], "requests": [
            {"method": "POST", "path": "/a", "body": "{}", "headers": {"Authorization": {"from_file": "token"}}},
        ]}));
        let mix = read(&load, directory.path(), "shop", "shop-7").unwrap();
        let [(post, 1), (get, 3)] = mix.kinds.as_slice() else { panic!("{mix:?}") };
        assert_eq!((post.method.as_str(), post.path.as_str()), ("POST", "/a"));
        assert_eq!(post.headers["authorization"], "Bearer s3cret");
        assert_eq!(
            (&post.headers[MARK], &post.headers["user-agent"]),
            (&HeaderValue::from_static("shop-7"), &HeaderValue::from_static("tealgate-load"),)
        );
        assert_eq!(get.headers["user-agent"], "app");
        assert_eq!(mix.secrets, ["Bearer s3cret"]);
        assert!(!format!("{mix:?}").contains("s3cret"));
    }

    #[test]
    fn a_recording_is_sent_to_its_hosts_with_headers_that_no_log_shows() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), "Bearer s3cret\n").unwrap();
        let headers = json!({"Authorization": {"from_file": "token"}});
        let load = load(json!({"replay": {"access_log": "access.log", "headers": headers}}));
        let mix = || read(&load, directory.path(), "shop", "shop-7");
        let error = mix().unwrap_err();
        assert!(error.starts_with("replay access.log: cannot be read: "), "{error}");
        let line = |service: &str, host: &str| {
            let line = json!({
                "time": "t", "service": service, "answerer": "blue", "lane": "share", "status": 200, "method": "GET",
                "host": host, "path": "/a", "query": "x=1",
            });
            format!("{line}\n")
        };
        std::fs::write(directory.path().join("access.log"), line("blog", "a.test")).unwrap();
        let text = "no recorded request fits; left out of 1 recorded requests: 1 of other services";
        assert_eq!(mix().unwrap_err(), format!("replay access.log: {text}"));
        let lines = [line("shop", "a.test"), line("shop", ""), line("shop", "a.test")].concat();
        std::fs::write(directory.path().join("access.log"), lines).unwrap();
        let mix = mix().unwrap();
        let [(nameless, 1), (named, 2)] = mix.kinds.as_slice() else { panic!("{mix:?}") };
        assert_eq!((named.method.as_str(), named.path.as_str()), ("GET", "/a?x=1"));
        assert_eq!(
            (&named.headers["host"], nameless.headers.get("host")),
            (&HeaderValue::from_static("a.test"), None)
        );
        assert_eq!(named.headers["authorization"], "Bearer s3cret");
        assert_eq!(mix.secrets, ["Bearer s3cret"]);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_what_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let load = load(json!({"requests_file": "mix.json"}));
        let error = || read(&load, directory.path(), "shop", "shop-7").unwrap_err();
        assert!(error().starts_with("requests_file mix.json: cannot be read: "), "{}", error());
        let write = |text: &str| std::fs::write(directory.path().join("mix.json"), text).unwrap();
        write("[{\"path\": \"/a\", \"verb\": \"GET\"}]");
        assert!(error().contains("unknown field `verb`"), "{}", error());
        write(r#"[{"path": "/a", "method": "DELETE"}]"#);
        assert!(error().contains("/0/method: is not GET, HEAD or OPTIONS"), "{}", error());
        write("[]");
        assert_eq!(error(), "there is no request to send");
        write(&" ".repeat(4 * 1024 * 1024 + 1));
        assert_eq!(error(), "requests_file mix.json: has more than 4194304 bytes");
    }
}
