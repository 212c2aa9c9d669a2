//! Whether the new version says who it is: asked before users see it, so that a header that nobody sends is not found by
//! them.

use crate::target::EnvironmentSpec;
use model::policy::{Check, Expectation, Gate, Identity, OnFail, ReleasePolicy, SmokeRequest, When};

/// The gate's name. A gate of the policy with this name takes its place.
const NAME: &str = "identity";
/// Its limit, milliseconds.
const TIMEOUT_MS: u64 = 30_000;

/// The gate that asks each instance, and through the preview; `None`: nobody asks, or somebody else does.
pub(super) fn gate(policy: &ReleasePolicy, new: &EnvironmentSpec) -> Option<Gate> {
    let Identity { header, path, .. } = policy.identity.as_ref()?;
    let path = path.clone()?;
    let is_asked_otherwise = policy.gates.iter().any(|gate| gate.name == NAME);
    if is_asked_otherwise || !matches!(new.scheme_for_gates(), "http" | "https") {
        return None;
    }
    let expect = Expectation {
        any_status: true,
        headers: [(header.clone(), new.version.clone())].into(),
        ..Expectation::default()
    };
    let (method, headers, body) = ("GET".to_owned(), Default::default(), None);
    let requests = vec![SmokeRequest { method, path, headers, body, expect }];
    Some(Gate {
        name: NAME.to_owned(),
        when: vec![When::BeforeShift],
        check: Check::Smoke { requests, through_gate: policy.preview.is_some() },
        timeout_ms: TIMEOUT_MS,
        on_fail: OnFail::default(),
    })
}
