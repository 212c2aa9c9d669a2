//! What is sent and what must come back.

use crate::keys::{self, Keys};

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// `GET`, answered with 1 KiB.
    Get1k,
    /// `GET`, answered with 16 KiB.
    Get16k,
    /// `POST` of 10 KiB, answered with 64 bytes.
    Post10k,
}

impl Workload {
    /// All of them.
    pub const ALL: [Workload; 3] = [Workload::Get1k, Workload::Get16k, Workload::Post10k];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Workload::Get1k => "get-1k",
            Workload::Get16k => "get-16k",
            Workload::Post10k => "post-10k",
        }
    }

    /// The workload with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Workload> {
        Workload::ALL.into_iter().find(|workload| workload.name() == name)
    }

    /// The path that asks for it.
    #[must_use]
    pub fn path(self) -> String {
        format!("/bench/{}", self.name())
    }

    /// The body that must come back.
    #[must_use]
    pub fn response_body(self) -> Vec<u8> {
        pattern(match self {
            Workload::Get1k => 1024,
            Workload::Get16k => 16 * 1024,
            Workload::Post10k => 64,
        })
    }

    /// Its method.
    #[must_use]
    pub fn method(self) -> &'static str {
        if self == Workload::Post10k { "POST" } else { "GET" }
    }

    /// What a small client sends besides `Host` and the key.
    #[must_use]
    pub fn fields(self) -> &'static [(&'static str, &'static str)] {
        &[
            ("user-agent", "bench-load/1.0 (side-by-side)"),
            ("accept", "application/json, text/plain, */*"),
            ("accept-encoding", "gzip, deflate, br"),
            ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
            ("x-trace-id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ]
    }

    /// The whole response: seven header fields.
    #[must_use]
    pub fn response(self) -> Vec<u8> {
        let body = self.response_body();
        let mut response = format!(
            "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 00:00:00 GMT\r\nServer: bench-upstream\r\n\
             Content-Type: application/octet-stream\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             ETag: \"5f3759df\"\r\nX-Trace-Id: 4bf92f3577b34da6a3ce929d0e0e4736\r\n\r\n",
            body.len()
        )
        .into_bytes();
        response.extend_from_slice(&body);
        response
    }
}

/// A request as bytes, whose key can be changed.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
    key_at: usize,
    keys: Keys,
}

impl Request {
    /// The request of a workload to a port of this machine.
    #[must_use]
    pub fn new(workload: Workload, port: u16, mut keys: Keys) -> Request {
        let body = if workload == Workload::Post10k { pattern(10 * 1024) } else { Vec::new() };
        let (method, path) = (workload.method(), workload.path());
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{}: ", keys::HEADER);
        let key_at = head.len();
        head.extend([keys.next_key(), "\r\n"]);
        for (name, value) in workload.fields() {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if !body.is_empty() {
            head.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
        }
        head.push_str("\r\n");
        Request { bytes: [head.as_bytes(), &body].concat(), key_at, keys }
    }

    /// What is sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Puts the next key in the place of the last one.
    pub fn change_key(&mut self) {
        let key = self.keys.next_key().as_bytes();
        if let Some(place) = self.bytes.get_mut(self.key_at..self.key_at + key.len()) {
            place.copy_from_slice(key);
        }
    }
}

/// A body in which a shift or a hole shows.
fn pattern(length: usize) -> Vec<u8> {
    (b'a'..=b'z').chain(b'0'..=b'8').cycle().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_workloads() {
        for workload in Workload::ALL {
            assert_eq!(Workload::parse(workload.name()), Some(workload));
        }
        assert_eq!(Workload::parse("get-2k"), None);
    }

    #[test]
    fn another_key_changes_nothing_else() {
        let mut request = Request::new(Workload::Get1k, 80, Keys::of(0));
        let before = request.bytes().to_vec();
        request.change_key();
        let changed: Vec<usize> =
            (0..before.len()).filter(|at| before[*at] != request.bytes()[*at]).collect();
        assert!(
            !changed.is_empty() && changed.iter().all(|at| (request.key_at..request.key_at + 9).contains(at))
        );
    }
}
