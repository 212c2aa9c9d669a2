//! What every store promises, run on every store. A new implementation adds one module to `on_every_store`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod journals;
mod leases;
mod random;
mod reports;
mod resources;
mod watching;

use model::resource::{Kind, Origin};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use store::{Expect, MemoryStore, SqliteStore, Store, Write};
use tempfile::TempDir;

/// Longer than any test that passes.
const LIMIT: Duration = Duration::from_secs(30);

/// A store under test, and what must outlive it.
struct Subject {
    store: Arc<dyn Store>,
    _dir: Option<TempDir>,
}

impl Subject {
    fn memory() -> Subject {
        Subject { store: Arc::new(MemoryStore::new()), _dir: None }
    }

    fn sqlite() -> Subject {
        let dir = tempfile::tempdir().unwrap();
        Subject { store: Arc::new(SqliteStore::open(dir.path()).unwrap()), _dir: Some(dir) }
    }
}

/// Writes a route's JSON, whoever it is from.
fn put(id: &str, value: Value, expect: Expect) -> Write {
    Write::Put { kind: Kind::Route, id: Some(id.to_owned()), value, origin: Origin::Api, expect }
}

fn delete(id: &str, expect: Expect) -> Write {
    Write::Delete { kind: Kind::Route, id: id.to_owned(), expect }
}

macro_rules! on_every_store {
    (@ $subject:ident; $($area:ident { $($test:ident,)* })*) => {
        mod $subject {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let subject = super::Subject::$subject();
                    let test = super::$area::$test(&subject.store);
                    tokio::time::timeout(super::LIMIT, test).await.unwrap();
                }
            )*)*
        }
    };
    ($($areas:tt)*) => {
        on_every_store!(@ memory; $($areas)*);
        on_every_store!(@ sqlite; $($areas)*);
    };
}

on_every_store! {
    resources {
        an_empty_store_is_at_revision_zero,
        a_put_is_read_back_as_it_was_sent_with_its_id,
        created_stays_over_updates_and_modified_moves,
        a_put_that_changes_nothing_still_takes_a_revision,
        a_missing_id_is_made_of_the_revision,
        two_made_ids_of_one_kind_in_a_batch_are_a_conflict,
        a_write_happens_only_under_its_condition,
        deleting_what_is_absent_is_a_conflict_unless_anything_goes,
        a_batch_is_all_or_nothing,
        a_batch_has_one_revision_and_its_writes_see_each_other,
        an_empty_batch_writes_nothing,
        lists_are_sorted_by_age_also_after_updates,
        snapshots_are_sorted_by_kind_and_share_what_has_not_changed,
        the_same_id_of_two_kinds_is_two_resources,
        concurrent_increments_lose_no_update,
    }
    watching {
        a_watch_is_level_triggered,
        a_refused_write_is_not_told,
        a_watch_of_one_thing_is_silent_about_the_others,
        what_a_watch_has_told_can_be_read,
        a_watch_ends_with_its_store,
    }
    journals {
        entries_are_read_back_in_order_and_as_written,
        an_entry_out_of_turn_is_refused,
        releases_are_listed_in_the_order_of_their_first_entries,
        only_one_of_two_racing_appends_wins,
        an_append_without_the_lease_is_refused,
    }
    leases {
        a_free_lease_is_taken_and_a_held_one_is_not,
        renewing_keeps_the_fence,
        an_expired_lease_can_be_taken_and_the_former_holder_is_fenced_off,
        a_lease_given_back_is_free_and_its_fence_is_void,
        only_the_holder_gives_a_lease_back,
        a_fenced_commit_of_a_former_holder_changes_nothing,
        of_many_that_want_a_lease_one_gets_it,
        leases_do_not_know_each_other,
    }
    reports {
        a_report_replaces_the_one_before,
        a_forgotten_instance_is_gone,
        a_newcomer_sweeps_out_what_is_an_hour_old,
        no_more_than_a_thousand_and_twenty_four_are_kept,
        waiting_returns_at_once_when_all_gateways_are_there,
        waiting_returns_at_once_when_no_gateway_is_alive,
        waiting_is_woken_by_the_last_report,
        waiting_names_those_that_are_behind_when_the_time_is_over,
        waiting_ends_when_the_one_behind_stops_being_live,
        waiting_ends_when_the_one_behind_is_forgotten,
    }
}
