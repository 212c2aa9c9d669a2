//! Who waits for a version, and for how long nobody was answered: told, whatever a bound makes of it. Pure.

use super::Heard;

/// Requests of one version that wait for their answer to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// So many wait now.
    pub requests: u64,
    /// No answer has begun for so long, milliseconds: since the last one, or since somebody waits if that is later; `None`: nobody
    /// does, and none ever began.
    pub unanswered_ms: Option<u64>,
}

/// Since when a version answers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet {
    heads: u64,
    /// When the last answer began.
    head_ms: Option<u64>,
    /// Since when somebody waits.
    since_ms: Option<u64>,
}

impl Quiet {
    /// Looks at what one version has been asked and has answered. Looks come in the order of time.
    pub fn look(&mut self, at_ms: u64, heard: Heard) -> Waits {
        let requests = heard.waiting();
        // Counters that begin anew are no answer.
        if heard.heads > self.heads {
            self.head_ms = Some(at_ms);
        }
        self.heads = heard.heads;
        self.since_ms = if requests > 0 { self.since_ms.or(Some(at_ms)) } else { None };
        let quiet_since = self.head_ms.max(self.since_ms);
        Waits { requests, unanswered_ms: quiet_since.map(|since| at_ms.saturating_sub(since)) }
    }
}
