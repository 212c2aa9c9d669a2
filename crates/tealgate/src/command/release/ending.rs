//! How a release stands or ended: as an exit code, and in one line.

use crate::command::output::Output;
use crate::exit::Exit;
use crate::tree::numbers::grouped;
use release::machine::Outcome;
use release::report::duration;
use release::view::ReleaseView;

/// Whether nothing more happens that one would watch for: decided, and the next release may begin.
pub(super) fn is_over(view: &ReleaseView) -> bool {
    view.outcome.is_some() && !view.in_flight
}

/// Whether what was live before is live again.
pub(super) fn is_back(view: &ReleaseView) -> bool {
    matches!(view.outcome, Some(Outcome::RolledBack | Outcome::Aborted | Outcome::Superseded))
}

/// The exit code that says how a release stands.
pub(super) fn exit(view: &ReleaseView) -> Exit {
    match view.outcome {
        None => Exit::Waiting,
        Some(Outcome::Promoted | Outcome::Rehearsed) => Exit::Done,
        Some(Outcome::RolledBack) => Exit::RolledBack,
        Some(Outcome::Aborted | Outcome::Superseded) => Exit::Aborted,
        Some(Outcome::Refused) => Exit::Refused,
    }
}

/// Prints how it ended: the whole release as JSON, or a line.
pub(super) fn print(view: &ReleaseView, output: Output) {
    match serde_json::to_value(view) {
        Ok(value) if output.json => output.data(&value),
        _ => output.text(&format!("{}\n", sentence(view))),
    }
}

/// One line about a release.
pub(super) fn sentence(view: &ReleaseView) -> String {
    let (app, version, release) = (&view.app, &view.version, &view.release);
    let took = view.decided_at_ms.map(|decided| decided.saturating_sub(view.started_at_ms));
    let took =
        took.and_then(|took| u64::try_from(took).ok()).map(|took| format!(" after {}", duration(took)));
    let took = took.unwrap_or_default();
    let why = view.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let amiss: String = view.amiss(grouped).iter().map(|what| format!(", {what}")).collect();
    let rehearsal = view.rehearsal.as_ref();
    match view.outcome {
        Some(Outcome::RolledBack) if rehearsal.is_some() => {
            format!("{app}: the rehearsal of {version} failed{took} (release {release}){why}")
        }
        Some(Outcome::Rehearsed) => {
            let words = rehearsal.map(|rehearsal| format!(": {}", rehearsal.words())).unwrap_or_default();
            format!("{app}: {version} was rehearsed{took} (release {release}){words}")
        }
        None => format!(
            "{app}: release {release} of {version} is in {}, {} % of the traffic",
            view.phase, view.share
        ),
        Some(Outcome::Promoted) => {
            let users = view.amiss(grouped).join(", ");
            format!("{app}: {version} promoted{took} (release {release}): {users}")
        }
        Some(Outcome::RolledBack) => {
            format!("{app}: {version} was rolled back{took}{amiss} (release {release}){why}")
        }
        Some(Outcome::Aborted) => {
            format!("{app}: {version} was aborted{took}{amiss} (release {release}){why}")
        }
        Some(Outcome::Superseded) => {
            format!("{app}: {version} was superseded{took}{amiss} (release {release}){why}")
        }
        Some(Outcome::Refused) => format!("{app}: {version} was refused (release {release}){why}"),
    }
}
