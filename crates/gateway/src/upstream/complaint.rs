//! Why requests to an upstream's nodes get a 502, where somebody has to do something about it (a certificate that cannot be verified,
//! one of ours that is refused, an answer that breaks HTTP or a bound): told in the log, once a minute and not for each request.
//!
//! Whoever switches `tls.verify` on and trusts the wrong authority gets a 502 for every request, and so does whoever has an app
//! whose heads are too large. Nobody should have to switch on debug messages to learn why.

use super::broken::Broken;
use super::fault::{in_words, of_handshake, of_ours, unusable, unverified};
use model::reason::Reason;
use rustls::CertificateError;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// The least time between two complaints about one upstream, seconds.
const PAUSE_S: i64 = 60;

/// Who asks for the certificates of an upstream's nodes to be verified, and could let go of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    /// Nobody.
    Not,
    /// The upstream.
    ByUpstream,
    /// The gateway's settings.
    Always,
}

impl Verified {
    /// What to do besides mending the certificate. It ends a sentence.
    fn way_out(self) -> &'static str {
        match self {
            Verified::Not => "",
            Verified::ByUpstream => "; or set tls.verify to false",
            Verified::Always => "; or set upstream_tls_verify to as_configured, and tls.verify to false",
        }
    }
}

/// What was told of one upstream; shared by all threads.
#[derive(Debug)]
pub(crate) struct Complaint {
    /// Where the upstream is written: `upstreams/ID`, `services/ID` or `routes/ID`.
    owner: Box<str>,
    verified: Verified,
    /// When something of TLS was told last, seconds since the Unix epoch.
    of_tls_s: AtomicI64,
    /// The same of answers.
    of_answers_s: AtomicI64,
}

impl Complaint {
    /// Nothing yet.
    pub(crate) fn new(owner: &str, verified: Verified) -> Complaint {
        let never = || AtomicI64::new(i64::MIN);
        Complaint { owner: owner.into(), verified, of_tls_s: never(), of_answers_s: never() }
    }

    /// Tells why no connection could be made, if that is for TLS with `node`, and it is time.
    pub(crate) fn about(&self, node: &str, error: &io::Error, now_s: i64) {
        let words = match (unverified(error), unusable(error)) {
            (Some(CertificateError::BadSignature), _) if self.verified == Verified::Not => {
                Some("it does not hold the key of the certificate that it shows".to_owned())
            }
            (Some(fault), _) => {
                Some(format!("its certificate {}{}", in_words(fault), self.verified.way_out()))
            }
            (None, Some(unusable)) => Some(unusable.to_string()),
            (None, None) => of_handshake(error).map(|words| format!("it {words}")),
        };
        if let Some(words) = words {
            self.tell(node, &words, now_s);
        }
    }

    /// Tells what `node` said of our certificate after the handshake, if that is why it gave no answer, and it is time.
    pub(crate) fn about_ours(&self, node: &str, reason: Reason, now_s: impl FnOnce() -> i64) {
        if let Some(words) = of_ours(reason) {
            self.tell(node, &format!("it {words}"), now_s());
        }
    }

    /// Tells what is wrong with an answer of `node`, if it is time.
    pub(crate) fn about_answer(&self, node: &str, broken: Broken, now_s: i64) {
        if is_due(&self.of_answers_s, now_s) {
            tracing::warn!(upstream = %self.owner, node, "a request to the node got a 502, for it gives {broken}");
        }
    }

    fn tell(&self, node: &str, words: &str, now_s: i64) {
        if is_due(&self.of_tls_s, now_s) {
            tracing::warn!(upstream = %self.owner, node, "requests to the node get a 502, for {words}");
        }
    }
}

/// Whether it is time to tell something again, and takes it for told.
fn is_due(last_s: &AtomicI64, now_s: i64) -> bool {
    let last = last_s.load(Relaxed);
    now_s.saturating_sub(last) >= PAUSE_S && last_s.compare_exchange(last, now_s, Relaxed, Relaxed).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_comes_once_a_minute() {
        let last_s = Complaint::new("upstreams/u", Verified::Not).of_answers_s;
        let due: Vec<_> =
            [0, 1, 59, 60, 61, 200].into_iter().filter(|now_s| is_due(&last_s, *now_s)).collect();
        assert_eq!(due, [0, 60, 200]);
    }
}
