//! The ledger: what became of every request that the gateways received since the release's first change.

use super::{Account, Former};
use model::record::Answerer;
use serde::{Deserialize, Serialize};
use std::fmt;
use telemetry::counts::Counts;

/// received = answered + cut short + client left + drained + open.
///
/// The gateway counts what came and what ended; what is open is the difference. So the lines add up by construction,
/// and a request that was forgotten would stay open for ever. Only someone who counts outside of the gateway
/// (`tealgate demo` does) can prove that none was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Requests that came.
    pub received: u64,
    /// Answered whole by blue.
    pub blue: u64,
    /// Answered whole by green.
    pub green: u64,
    /// Answered whole by the gate itself, because a colour could not (502, 504, ...).
    pub gate: u64,
    /// Of those by the gate, how many were given in blue's name.
    #[serde(default)]
    pub blue_gate_errors: u64,
    /// Of those by the gate, how many were given in green's name.
    #[serde(default)]
    pub green_gate_errors: u64,
    /// Answers that began and broke off, by blue.
    pub blue_cut_short: u64,
    /// Answers that began and broke off, by green.
    pub green_cut_short: u64,
    /// The client went away first.
    pub client_left: u64,
    /// Of these, those that blue had.
    #[serde(default)]
    pub blue_client_left: u64,
    /// Of these, those that green had.
    #[serde(default)]
    pub green_client_left: u64,
    /// Streams closed by the drain deadline.
    pub drained: u64,
    /// Of these, those that blue had.
    #[serde(default)]
    pub blue_drained: u64,
    /// Of these, those that green had.
    #[serde(default)]
    pub green_drained: u64,
    /// Still open.
    pub open: u64,
    /// Of these, those that blue has.
    #[serde(default)]
    pub blue_open: u64,
    /// Of these, those that green has.
    #[serde(default)]
    pub green_open: u64,
    /// What became of the requests that were open when the release began, by colour: streams above all. Not contained in
    /// the lines above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Former>,
    /// When it was counted, milliseconds since the Unix epoch; `None`: nothing was.
    #[serde(default)]
    pub counted_at_ms: Option<i64>,
    /// Requests that lost their answer halfway: cut short, by whichever colour, whenever they began. What the gate
    /// answered itself is answered, see [`Ledger::gate`].
    pub lost: Lost,
}

/// A number of lost requests, or that nobody can know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Lost {
    /// This many.
    Known(u64),
    /// A gateway went, and with it what it had counted.
    #[default]
    #[serde(with = "unknown")]
    Unknown,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Known(lost) => write!(f, "{lost}"),
            Lost::Unknown => f.write_str("unknown"),
        }
    }
}

impl Ledger {
    /// Adds an account up. `gap`: a gateway went, so that what was lost is not known.
    #[must_use]
    pub fn of(account: Option<&Account>, gap: bool) -> Ledger {
        let mut ledger = Ledger::default();
        let Some(account) = account else { return ledger };
        let mut cut_short = 0u64;
        for row in &account.rows {
            let counts = &row.counts;
            ledger.received += counts.received;
            ledger.client_left += counts.client_left;
            ledger.drained += counts.drained;
            ledger.open += counts.open;
            cut_short += counts.cut_short;
            ledger.add_answers(row.answerer, counts);
        }
        ledger.former.clone_from(&account.former);
        ledger.counted_at_ms = account.since.map(|_| account.at_ms);
        cut_short += account.former.iter().map(|former| former.cut_short).fold(0, u64::saturating_add);
        ledger.lost = if gap { Lost::Unknown } else { Lost::Known(cut_short) };
        ledger
    }

    /// Its lines as people read them, without parts that are nothing; `number` writes numbers. What neither colour has is the rest of a line: the client was
    /// gone, or the request came, before one was chosen.
    pub(super) fn lines(&self, number: impl Fn(u64) -> String) -> Vec<(String, String)> {
        let counted = [
            ("received", self.received),
            ("answered by blue", self.blue),
            ("answered by green", self.green),
            ("answered by the gate", self.gate),
            ("– of these, errors in the name of blue", self.blue_gate_errors),
            ("– of these, errors in the name of green", self.green_gate_errors),
            ("cut short by blue", self.blue_cut_short),
            ("cut short by green", self.green_cut_short),
            ("client left", self.client_left),
            ("– of these, left while blue had them", self.blue_client_left),
            ("– of these, left while green had them", self.green_client_left),
            ("drained", self.drained),
            ("– of these, drained on blue", self.blue_drained),
            ("– of these, drained on green", self.green_drained),
            ("open", self.open),
            ("– of these, open on blue", self.blue_open),
            ("– of these, open on green", self.green_open),
        ];
        let lost = ("lost".to_owned(), self.lost.to_string());
        let is_told = |(name, count): &(&str, u64)| *count > 0 || !name.starts_with('–');
        let counted = counted.into_iter().filter(is_told);
        let counted = counted.map(|(name, count)| (name.to_owned(), number(count)));
        let former = self.former.iter().flat_map(|former| former_lines(former, &number));
        counted.chain(former).chain([lost]).collect()
    }

    /// Whether something that the release answers for has not ended.
    #[must_use]
    pub fn is_unended(&self) -> bool {
        self.open > 0 || self.former.iter().any(|former| former.open > 0)
    }

    fn add_answers(&mut self, answerer: Answerer, counts: &Counts) {
        let by_gate = counts.gate_errors.min(counts.whole_total());
        let by_upstream = counts.whole_total() - by_gate;
        self.gate += by_gate;
        match answerer {
            Answerer::Blue => {
                self.blue += by_upstream;
                self.blue_gate_errors += by_gate;
                self.blue_cut_short += counts.cut_short;
                self.blue_client_left += counts.client_left;
                self.blue_drained += counts.drained;
                self.blue_open += counts.open;
            }
            Answerer::Green => {
                self.green += by_upstream;
                self.green_gate_errors += by_gate;
                self.green_cut_short += counts.cut_short;
                self.green_client_left += counts.client_left;
                self.green_drained += counts.drained;
                self.green_open += counts.open;
            }
            Answerer::Gate | Answerer::Upstream => self.gate += by_upstream,
        }
    }
}

/// What was open before: how many, and what became of them.
fn former_lines(former: &Former, number: impl Fn(u64) -> String) -> Vec<(String, String)> {
    let became = [
        ("answered", former.answered),
        ("cut short", former.cut_short),
        ("client left", former.client_left),
        ("drained", former.drained),
        ("open", former.open),
    ];
    let became = became.into_iter().filter(|(_, count)| *count > 0);
    let became = became.map(|(name, count)| (format!("– of these, {name}"), number(count)));
    let title = format!("begun before the release, open on {} when it began", former.answerer.name());
    std::iter::once((title, number(former.received))).chain(became).collect()
}

/// The word `unknown` where a number could stand.
mod unknown {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("unknown")
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "unknown" => Ok(()),
            other => Err(D::Error::custom(format!("{other:?} is neither a number nor \"unknown\""))),
        }
    }
}
