//! What became of runs: kept, found, and forgotten.

use std::time::Duration;

use serde_json::json;
use vestibule_model::Timestamp;
use vestibule_sessions::{
    Execution, ExecutionCursor, ExecutionFilter, ExecutionStatus, ExecutionUid, Registry as _, SqliteSettings, SqliteStore, Store,
};

use crate::parts::database::{Database, file};
use crate::parts::logins::*;
use crate::parts::registry::*;

on_all! {
    a_run_is_kept_as_it_was_recorded,
    runs_come_newest_first_in_pages_also_while_others_are_recorded,
    only_the_runs_that_were_asked_for_come,
    a_run_that_is_recorded_twice_is_there_once,
    old_runs_are_forgotten_some_at_a_time,
    of_each_tenant_the_newest_runs_stay,
    what_was_forgotten_already_and_what_came_twice_is_not_too_much,
}

async fn record(store: &dyn Store, runs: &[Execution]) {
    store.record_executions(runs.to_vec()).await.unwrap();
}

/// All runs of a tenant that the filter lets pass, page by page.
async fn listed(store: &dyn Store, of: &str, filter: &ExecutionFilter, take: usize) -> Vec<Execution> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.executions(&tenant(of), filter.clone(), after, take).await.unwrap();
        assert!(page.executions.len() <= take);
        found.extend(page.executions);
        match page.next {
            // As text it goes to whoever asks, and comes back.
            Some(next) => after = Some(next.to_string().parse::<ExecutionCursor>().unwrap()),
            None => return found,
        }
    }
}

fn ids(runs: &[Execution]) -> Vec<ExecutionUid> {
    runs.iter().map(|run| run.id).collect()
}

/// Runs of `of` that began at these moments.
fn runs(of: &str, moments: impl IntoIterator<Item = u64>) -> Vec<Execution> {
    moments.into_iter().map(|moment| run_of(of, &["a"], ExecutionStatus::Final, at(moment))).collect()
}

async fn a_run_is_kept_as_it_was_recorded(database: &Database) {
    let store = database.open().await;
    record(&*store, &[]).await;
    let all: Vec<_> = ExecutionStatus::ALL
        .into_iter()
        .map(|status| Execution {
            body: map(&[("results", json!([{ "fuel": 1, "log": ["\u{0}é🦀"] }]))]),
            ..run_of("acme", &["a", "b", "a"], status, at(3))
        })
        .collect();
    record(&*store, &all).await;
    for run in &all {
        assert_eq!(store.execution(&tenant("acme"), &run.id).await.unwrap().as_ref(), Some(run));
    }
    assert_eq!(store.execution(&tenant("acme"), &ExecutionUid::random().unwrap()).await.unwrap(), None);
}

async fn runs_come_newest_first_in_pages_also_while_others_are_recorded(database: &Database) {
    let store = database.open().await;
    let mut all = runs("acme", 0..9);
    for some in all.chunks(4) {
        record(&*store, some).await;
        record(&*store, &runs("other", [1])).await;
    }
    all.reverse();
    for take in [1, 2, 8, 9, 10] {
        assert_eq!(listed(&*store, "acme", &ExecutionFilter::default(), take).await, all, "in pages of {take}");
    }
    let first = store.executions(&tenant("acme"), ExecutionFilter::default(), None, 4).await.unwrap();
    record(&*store, &runs("acme", [50])).await;
    let second = store.executions(&tenant("acme"), ExecutionFilter::default(), first.next, 10).await.unwrap();
    assert_eq!((first.executions.as_slice(), second.executions.as_slice()), (&all[..4], &all[4..]));
    assert!(second.next.is_none());
}

async fn only_the_runs_that_were_asked_for_come(database: &Database) {
    let store = database.open().await;
    let final_one = run_of("acme", &["a", "b"], ExecutionStatus::Final, at(1));
    let partial = run_of("acme", &["b", "a.b", "c"], ExecutionStatus::Partial, at(2));
    let canceled = run_of("acme", &["a"], ExecutionStatus::Canceled, at(3));
    let empty = run_of("acme", &[], ExecutionStatus::Final, at(4));
    record(&*store, &[final_one.clone(), partial.clone(), canceled.clone(), empty.clone()]).await;
    let of = |action: Option<&str>, status| ExecutionFilter { action: action.map(action_name), status };
    for (filter, expected) in [
        (of(None, None), vec![&empty, &canceled, &partial, &final_one]),
        (of(Some("a"), None), vec![&canceled, &final_one]),
        (of(Some("b"), None), vec![&partial, &final_one]),
        (of(Some("a.b"), None), vec![&partial]),
        (of(Some("none"), None), vec![]),
        (of(None, Some(ExecutionStatus::Final)), vec![&empty, &final_one]),
        (of(Some("a"), Some(ExecutionStatus::Canceled)), vec![&canceled]),
        (of(Some("c"), Some(ExecutionStatus::Final)), vec![]),
    ] {
        for take in [1, 10] {
            let found = listed(&*store, "acme", &filter, take).await;
            assert_eq!(ids(&found), expected.iter().map(|run| run.id).collect::<Vec<_>>(), "{filter:?}");
        }
    }
}

async fn a_run_that_is_recorded_twice_is_there_once(database: &Database) {
    let store = database.open().await;
    let first = run_of("acme", &["a"], ExecutionStatus::Final, at(1));
    let again = Execution { status: ExecutionStatus::Partial, ..first.clone() };
    record(&*store, &[first.clone(), again.clone()]).await;
    record(&*store, &[again.clone(), run_of("acme", &["b"], ExecutionStatus::Final, at(2))]).await;
    assert_eq!(store.execution(&tenant("acme"), &first.id).await.unwrap().as_ref(), Some(&first));
    assert_eq!(listed(&*store, "acme", &ExecutionFilter::default(), 10).await.len(), 2);
    let theirs = Execution { tenant: tenant("other"), ..again };
    record(&*store, std::slice::from_ref(&theirs)).await;
    assert_eq!(store.execution(&tenant("other"), &first.id).await.unwrap(), Some(theirs), "ids are a tenant's own");
}

async fn old_runs_are_forgotten_some_at_a_time(database: &Database) {
    let store = database.open().await;
    record(&*store, &runs("acme", 0..10)).await;
    record(&*store, &runs("other", 0..10)).await;
    let mut swept = Vec::new();
    loop {
        let count = store.sweep_executions(at(6), u64::MAX, 5).await.unwrap();
        swept.push(count);
        if count < 5 {
            break;
        }
    }
    assert_eq!(swept, [5, 5, 2]);
    for of in ["acme", "other"] {
        let left = listed(&*store, of, &ExecutionFilter::default(), 100).await;
        assert_eq!(left.iter().map(|run| run.started_at).collect::<Vec<_>>(), [9, 8, 7, 6].map(at));
    }
}

async fn of_each_tenant_the_newest_runs_stay(database: &Database) {
    let store = database.open().await;
    // In the order in which they were recorded, whatever their clocks say.
    let many = runs("acme", [9, 8, 7, 6, 5, 4, 3]);
    let few = runs("other", [1, 2]);
    record(&*store, &many).await;
    record(&*store, &few).await;
    let long_ago = Timestamp::from_millis(0);
    assert_eq!(store.sweep_executions(long_ago, 7, 100).await.unwrap(), 0);
    assert_eq!(store.sweep_executions(long_ago, 3, 3).await.unwrap(), 3);
    assert_eq!(store.sweep_executions(long_ago, 3, 3).await.unwrap(), 1);
    assert_eq!(store.sweep_executions(long_ago, 3, 3).await.unwrap(), 0);
    let newest = |runs: &[Execution]| ids(runs).into_iter().rev().collect::<Vec<_>>();
    let left = listed(&*store, "acme", &ExecutionFilter::default(), 100).await;
    assert_eq!(ids(&left), newest(&many[4..]));
    assert_eq!(ids(&listed(&*store, "other", &ExecutionFilter::default(), 100).await), newest(&few));
    assert_eq!(store.sweep_executions(long_ago, 0, 100).await.unwrap(), 5);
}

async fn what_was_forgotten_already_and_what_came_twice_is_not_too_much(database: &Database) {
    let store = database.open().await;
    let six = runs("acme", 0..6);
    record(&*store, &six).await;
    record(&*store, &six).await;
    record(&*store, &runs("other", 0..3)).await;
    let long_ago = Timestamp::from_millis(0);
    assert_eq!(store.sweep_executions(long_ago, 6, 100).await.unwrap(), 0, "each is there once");
    assert_eq!(store.sweep_executions(at(3), 3, 100).await.unwrap(), 6, "three of each are old, and the rest is not too much");
    record(&*store, &runs("acme", [9])).await;
    assert_eq!(store.sweep_executions(long_ago, 3, 100).await.unwrap(), 1);
    let left = listed(&*store, "acme", &ExecutionFilter::default(), 100).await;
    assert_eq!(left.iter().map(|run| run.started_at).collect::<Vec<_>>(), [9, 5, 4].map(at));
    // Another process finds them counted.
    let again = database.open().await;
    record(&*again, &runs("acme", [10])).await;
    assert_eq!(again.sweep_executions(long_ago, 3, 100).await.unwrap(), 1);
}

#[tokio::test]
async fn runs_are_in_a_file_of_their_own_that_its_owner_alone_can_read() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(file(&folder), SqliteSettings::default()).unwrap();
    let run = run_of("acme", &["a"], ExecutionStatus::Final, at(1));
    record(&store, std::slice::from_ref(&run)).await;
    for name in ["sessions.db-executions", "sessions.db-executions-wal", "sessions.db-executions-shm"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    store.close().await;
    assert!(store.execution(&tenant("acme"), &run.id).await.is_err(), "a store that was closed answers no more");
    assert!(store.record_executions(vec![run.clone()]).await.is_err());
    // The last who closes a file reads alone, and leaves it there.
    let left = std::fs::metadata(folder.path().join("sessions.db-executions-wal")).map_or(0, |file| file.len());
    assert_eq!(left, 0, "what was in it is in the database");
    let again = SqliteStore::open(file(&folder), SqliteSettings::default()).unwrap();
    assert_eq!(again.execution(&tenant("acme"), &run.id).await.unwrap(), Some(run));
    again.close().await;
}

/// Somebody else has the lock of one file: what goes to the other doesn't wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn neither_logins_nor_runs_wait_for_the_others_file() {
    let folder = tempfile::tempdir().unwrap();
    let settings = SqliteSettings { busy: Duration::from_secs(600), ..SqliteSettings::default() };
    let store = SqliteStore::open(file(&folder), settings).unwrap();
    let path = folder.path().join("sessions.db-executions");
    let lock = |path: &std::path::Path| {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
    };
    let locked = lock(&path);
    commit(&store, login("s1", at(1))).await;
    drop(locked);
    let locked = lock(&file(&folder));
    record(&store, &runs("acme", [1])).await;
    drop(locked);
    store.close().await;
}
