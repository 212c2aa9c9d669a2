//! A write: read what is there, make what shall be there, check it, commit it, wait until every gateway runs it.

use crate::clock;
use crate::consumers::must_be_unique;
use crate::resources::view::{self, Shown};
use crate::resources::{
    EXPIRES_AT_MS, Progress, advice, merge, owned, read_only, references, secrets, times,
};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use model::check;
use model::resource::{Kind, Origin, Resource, Revision};
use serde_json::Value;
use std::sync::Arc;
use store::converge::{Convergence, wait_applied};
use store::{Expect, StoreError, Write};

/// How often a write starts again because another process changed the resource under it.
const MOST_ATTEMPTS: usize = 4;

/// What shall become of the resource.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// It is this, whole.
    Whole(Value),
    /// This is merged into it.
    Merge(Value),
    /// This replaces what stands at the sub-path.
    ReplaceAt(Vec<String>, Value),
}

/// One write and its options.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// What.
    pub(crate) kind: Kind,
    /// Which; `None`: a new one whose id the store makes.
    pub(crate) id: Option<String>,
    /// How.
    pub(crate) change: Change,
    /// How long it shall live, seconds; `None`: for ever.
    pub(crate) ttl_s: Option<i64>,
}

/// What a write did.
#[derive(Debug)]
pub(crate) struct Written {
    /// Whether it was not there before.
    pub(crate) is_new: bool,
    /// What is there now.
    pub(crate) shown: Shown,
    /// How far it has come.
    pub(crate) progress: Progress,
    /// What of it will not be as it says.
    pub(crate) warnings: Vec<String>,
}

impl Written {
    fn pending(shown: Shown, revision: Revision) -> Written {
        Written { is_new: false, shown, progress: Progress::pending(revision), warnings: Vec::new() }
    }
}

/// Carries an order out.
pub(crate) async fn write(state: &AdminState, order: &Order) -> Result<Written, Problem> {
    let mut attempts = 1;
    let mut written = loop {
        match attempt(state, order).await {
            Err(Problem::Store(StoreError::Conflict { .. })) if attempts < MOST_ATTEMPTS => attempts += 1,
            ended => break ended?,
        }
    };
    written.warnings = advice::of(state, &written.shown).await?;
    written.progress = wait(state, written.progress.revision).await;
    Ok(written)
}

async fn attempt(state: &AdminState, order: &Order) -> Result<Written, Problem> {
    // One writer of this process at a time, so that what the checks saw still holds when it commits. Writers of other
    // processes are caught by the compare-and-swap.
    let _alone = state.writes.lock().await;
    must_not_end(state, order).await?;
    let current = match &order.id {
        Some(id) => view::one(state, order.kind, id).await?,
        None => None,
    };
    let from_file = current.as_ref().filter(|current| current.origin == Origin::File);
    if let Some(current) = from_file.filter(|current| current.kind != Kind::Service) {
        return Err(read_only(current.kind, &current.id));
    }
    let desired = desired(order, current.as_ref(), clock::unix_s())?;
    let desired = secrets::opened(state, order.kind, desired)?;
    check::check(order.kind, &desired, state.plugins).map_err(|error| Problem::invalid(error.to_string()))?;
    secrets::check(order.kind, &desired)?;
    references::must_exist(state, order.kind, &desired).await?;
    if let (Kind::Consumer | Kind::Credential, Some(id)) = (order.kind, &order.id) {
        must_be_unique(state, order.kind, id, &desired).await?;
    }
    let desired = secrets::sealed(state, order.kind, desired);
    match from_file {
        Some(file) => match owned::write(state, file, &desired).await? {
            Some(overlay) => commit_overlay(state, file, overlay).await,
            None => Ok(unchanged(file)),
        },
        None => commit(state, order, current, desired).await,
    }
}

/// Refuses an end for an upstream that must stay while its app does.
async fn must_not_end(state: &AdminState, order: &Order) -> Result<(), Problem> {
    let (Kind::Upstream, Some(id), Some(_)) = (order.kind, &order.id, order.ttl_s) else { return Ok(()) };
    match references::app_of_upstream(state, id).await? {
        Some(app) => Err(Problem::Invalid(format!(
            "invalid argument ttl: upstream [{id}] is an environment of app [{app}] and stays while the app does"
        ))),
        None => Ok(()),
    }
}

/// What shall be there, with its times.
fn desired(order: &Order, current: Option<&Shown>, now_s: i64) -> Result<Value, Problem> {
    let set_id = |value: &mut Value| {
        if let (Some(id), Some(object)) = (&order.id, value.as_object_mut()) {
            object.insert("id".to_owned(), view::shown_id(order.kind, id).into());
        }
    };
    if let Change::Whole(value) = &order.change {
        let mut value = value.clone();
        set_id(&mut value);
        if order.kind == Kind::App {
            // The format of apps is ours and has no times.
            return Ok(value);
        }
        times::stamp_whole(&mut value, current.map(|current| &current.value), now_s);
        return Ok(value);
    }
    let mut value = current.ok_or(Problem::KeyNotFound)?.value.clone();
    let mut patched = None;
    match &order.change {
        Change::ReplaceAt(sub_path, new) => {
            merge::replace_at(&mut value, sub_path, new.clone()).map_err(Problem::Invalid)?;
        }
        Change::Merge(patch) | Change::Whole(patch) => {
            patched = patch.as_object();
            if let (Some(target), Some(patch)) = (value.as_object_mut(), patched) {
                merge::merge(target, patch);
            }
        }
    }
    set_id(&mut value);
    times::stamp_patched(&mut value, patched, now_s);
    Ok(value)
}

async fn commit(
    state: &AdminState,
    order: &Order,
    current: Option<Shown>,
    mut value: Value,
) -> Result<Written, Problem> {
    if let (Some(ttl_s), Some(object)) = (order.ttl_s, value.as_object_mut()) {
        let expires_at_ms = clock::unix_ms().saturating_add(ttl_s.saturating_mul(1_000));
        object.insert(EXPIRES_AT_MS.to_owned(), expires_at_ms.into());
    }
    let (origin, expect) = match &current {
        Some(current) => (current.origin, Expect::Modified(current.base.modified)),
        None => (Origin::Api, Expect::Absent),
    };
    let put = Write::Put { kind: order.kind, id: order.id.clone(), value, origin, expect };
    let (resource, revision) = put_one(state, put).await?;
    // A service of the API may carry an overlay only if it once came from the file; what is shown includes it.
    let overlay = match order.kind {
        Kind::Service => state.store.get(Kind::Overlay, &resource.id).await?,
        _ => None,
    };
    let mut shown = Shown::of(resource, overlay.as_deref())?;
    secrets::open_shown(state, &mut shown);
    Ok(Written { is_new: current.is_none(), ..Written::pending(shown, revision) })
}

async fn commit_overlay(state: &AdminState, file: &Shown, overlay: Write) -> Result<Written, Problem> {
    let (overlay, revision) = put_one(state, overlay).await?;
    let shown = Shown::of(file.base.clone(), Some(&overlay))?;
    Ok(Written::pending(shown, revision))
}

async fn put_one(state: &AdminState, put: Write) -> Result<(Arc<Resource>, Revision), Problem> {
    let committed = state.store.commit(vec![put], None).await?;
    let resource = committed.resources.into_iter().next().flatten().ok_or(StoreError::Closed)?;
    Ok((resource, committed.revision))
}

fn unchanged(file: &Shown) -> Written {
    Written::pending(file.clone(), file.modified)
}

/// Waits until every live gateway runs the revision, or the time for it is over.
pub(crate) async fn wait(state: &AdminState, revision: Revision) -> Progress {
    let live_within_ms = i64::try_from(state.live_within.as_millis()).unwrap_or(i64::MAX);
    let store = state.store.as_ref();
    match wait_applied(store, revision, live_within_ms, clock::unix_ms, state.apply_timeout).await {
        Convergence::Applied { .. } | Convergence::NoGateway => {
            return Progress { revision, is_pending: false };
        }
        Convergence::TimedOut { behind } => {
            tracing::warn!(revision, ?behind, "a write is stored, but not every gateway runs it yet");
        }
        Convergence::Unknown(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(revision, error, "a write is stored; whether the gateways run it is not known");
        }
    }
    Progress::pending(revision)
}
