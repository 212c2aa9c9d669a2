//! What the unit tests of this crate begin with: the app `shop`, the wish for a version of it, and its plan.

use crate::journal::{Event, Head, Request, seal};
use crate::plan::{PlanInput, PreviewToken, RehearsalInput};
use crate::target::EnvironmentSpec;
use model::app::App;
use model::resource::{Kind, Origin, Resource};
use model::{colour::Colour, policy::ReleasePolicy};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::JournalEntry;

/// The app with this target, and the policy that holds where none is written.
pub(crate) fn app_on(target: Value) -> App {
    let app = json!({"id": "shop", "service_id": "shop", "target": target});
    let app: App = serde_json::from_value(app).unwrap();
    assert_eq!(app.release, ReleasePolicy::default());
    app
}

/// The app as a process.
pub(crate) fn app() -> App {
    app_on(json!({"process": {"command": ["shop"]}}))
}

pub(crate) fn resource(kind: Kind, id: &str, value: Value) -> Arc<Resource> {
    let value = Arc::new(value);
    Arc::new(Resource { kind, id: id.to_owned(), value, origin: Origin::Api, created: 1, modified: 1 })
}

/// An environment of a version, made by the release of that number.
pub(crate) fn environment(colour: Colour, version: &str) -> EnvironmentSpec {
    EnvironmentSpec {
        app: "shop".to_owned(),
        colour,
        version: version.to_owned(),
        release: format!("shop-{version}"),
        target: app().target,
        base_dir: "/".to_owned(),
    }
}

/// What a plan for version 2 is made of, asked for by ann at 7 ms.
pub(crate) fn input<'a>(
    app: &'a App,
    resources: &'a [Arc<Resource>],
    environments: &'a BTreeMap<Colour, EnvironmentSpec>,
) -> PlanInput<'a> {
    PlanInput {
        release: "shop-2",
        app,
        version: "2",
        actor: "ann",
        now_ms: 7,
        base_dir: "/srv",
        target: None,
        environment: None,
        steps: None,
        takes_back: false,
        gateways: 1,
        rehearsal: RehearsalInput::default(),
        resources,
        environments,
        last_live: None,
        token: PreviewToken::new("s3cret-token".to_owned()),
    }
}

/// The wish for a version.
pub(crate) fn request(version: &str) -> Request {
    Request {
        app: "shop".to_owned(),
        version: version.to_owned(),
        target: None,
        environment: None,
        steps: None,
        takes_back: None,
        rehearsal: false,
        receivers: Vec::new(),
    }
}

/// A journal of these events, one a millisecond from 1 s on.
pub(crate) fn journal_of(events: &[Event]) -> Vec<JournalEntry> {
    let mut head = Head::default();
    let seal_next = |(at_ms, event)| {
        let (entry, next) = seal(&head, at_ms, "ann", event).unwrap();
        head = next;
        entry
    };
    (1_000..).zip(events).map(seal_next).collect()
}
