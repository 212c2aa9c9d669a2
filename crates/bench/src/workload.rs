//! What is sent and what must come back.

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

    /// The whole request: six header fields, as a small client sends.
    #[must_use]
    pub fn request(self, host: &str) -> Vec<u8> {
        let body = if self == Workload::Post10k { pattern(10 * 1024) } else { Vec::new() };
        let method = if self == Workload::Post10k { "POST" } else { "GET" };
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let mut request = format!(
            "{method} {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench-load/1.0 (side-by-side)\r\n\
             Accept: application/json, text/plain, */*\r\nAccept-Encoding: gzip, deflate, br\r\n\
             Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\nX-Request-Id: 4bf92f3577b34da6a3ce929d0e0e4736\r\n{length}\r\n",
            self.path()
        )
        .into_bytes();
        request.extend_from_slice(&body);
        request
    }

    /// The whole response: seven header fields.
    #[must_use]
    pub fn response(self) -> Vec<u8> {
        let body = self.response_body();
        let mut response = format!(
            "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 00:00:00 GMT\r\nServer: bench-upstream\r\n\
             Content-Type: application/octet-stream\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             ETag: \"5f3759df\"\r\nX-Request-Id: 4bf92f3577b34da6a3ce929d0e0e4736\r\n\r\n",
            body.len()
        )
        .into_bytes();
        response.extend_from_slice(&body);
        response
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
}
