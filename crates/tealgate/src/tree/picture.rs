//! What there is to see of a release.

use model::colour::Colour;
use release::view::Mood;

/// A release at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The app.
    pub app: String,
    /// The release's id.
    pub release: String,
    /// The version that was live when it began; `None` on the first release.
    pub from: Option<String>,
    /// The version that is to become live.
    pub to: String,
    /// How it stands, in a word or two: `shift`, `promoted`, `rolled back`.
    pub headline: String,
    /// Whether that is good.
    pub mood: Mood,
    /// Since it began, milliseconds.
    pub elapsed_ms: u64,
    /// Its two environments; the old one first.
    pub colours: Vec<ColourRow>,
    /// The phases, in order.
    pub phases: Vec<PhaseRow>,
    /// What it waits for.
    pub waiting: Vec<String>,
    /// What a person can do about it: the command, and what comes of it.
    pub ways: Vec<String>,
    /// Why it goes or went back, and what a person should know.
    pub remarks: Vec<(Mood, String)>,
}

/// One environment.
#[derive(Clone, Debug, PartialEq)]
pub struct ColourRow {
    /// Which.
    pub colour: Colour,
    /// The version in it.
    pub version: String,
    /// Its share of user traffic, percent.
    pub share: u8,
    /// User requests that it answered since the release began.
    pub requests: u64,
    /// Of those, failed ones.
    pub errors: u64,
    /// Median of the total time, milliseconds.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the total time, milliseconds.
    pub p99_ms: Option<f64>,
    /// `live`, `starting`, `2 of 2 ready`, `stopped`, ...
    pub note: String,
}

/// How a phase or a gate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not begun.
    Ahead,
    /// Under way.
    Running,
    /// Waits for a person or for clarity.
    Held,
    /// Over, and well.
    Done,
    /// Over, and not well.
    Failed,
    /// Left before its end because someone said so.
    Stopped,
    /// Will not happen.
    Skipped,
}

/// One phase or, below it, one gate.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseRow {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub standing: Standing,
    /// How long it took or has taken so far, milliseconds.
    pub duration_ms: Option<u64>,
    /// What there is to say of it in a line.
    pub detail: String,
    /// The shares of the shift, and which of them is the current one.
    pub steps: Option<Steps>,
    /// Its gates.
    pub children: Vec<PhaseRow>,
}

impl PhaseRow {
    /// A phase without detail, steps and gates.
    #[must_use]
    pub fn new(name: &str, standing: Standing) -> PhaseRow {
        let (name, detail) = (name.to_owned(), String::new());
        PhaseRow { name, standing, duration_ms: None, detail, steps: None, children: Vec::new() }
    }
}

/// The shares of the shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Percent, in order.
    pub shares: Vec<u8>,
    /// How many of them were begun.
    pub begun: usize,
}
