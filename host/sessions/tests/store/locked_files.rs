//! A file that another process holds on to: each call ends, what was given up never happens, and
//! the store works again by itself.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use vestibule_sessions::{Initiator, KnownSession, Registry as _, SqliteSettings, SqliteStore, Store, StoreError};

use crate::parts::database::file;
use crate::parts::logins::*;

/// A call that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);

async fn ends<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, call).await.expect("each call should end")
}

/// Waits for the other's lock for longer than the test, and gives a call up long before.
fn settings() -> SqliteSettings {
    SqliteSettings { busy: Duration::from_secs(600), call: Duration::from_millis(400), ..SqliteSettings::default() }
}

/// Writes of another process begin here, and end when it is dropped.
fn lock(folder: &TempDir) -> rusqlite::Connection {
    let other = rusqlite::Connection::open(file(folder)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn each_write_ends_and_what_was_given_up_never_happens() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(file(&folder), settings()).unwrap());
    commit(&*store, login("s1", at(1))).await;
    let locked = lock(&folder);
    let calls: Vec<_> = (0..12)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                match number % 4 {
                    0 => store.commit_login(login(&format!("new-{number}"), at(2))).await.map(drop),
                    1 => store.end(&tenant("acme"), &id("s1"), Initiator::RpLogout, at(2)).await.map(drop),
                    2 => store.sweep(at(2), keep_all(), 10).await.map(drop),
                    _ => store.check().await,
                }
            })
        })
        .collect();
    for call in calls {
        let error = ends(call).await.unwrap().unwrap_err();
        assert!(matches!(error, StoreError::TimedOut { .. }), "{error}");
    }
    assert_eq!(store.timed_out(), 12);
    // Who hangs up has no part in what is written, either.
    tokio::select! {
        biased;
        done = store.commit_login(login("new-gone", at(2))) => panic!("nothing can be written: {done:?}"),
        () = tokio::task::yield_now() => {}
    }
    assert!(find(&*store, "s1", at(2)).await.is_some(), "what is there can be read");
    assert_eq!(ends(store.due_receivers(at(2), 10)).await.unwrap(), []);
    assert!(ends(store.sessions_of(&tenant("acme"), &user("anna"), None, 10, at(2))).await.is_ok());
    assert!(ends(store.flows_changed(0)).await.is_ok());
    drop(locked);
    ends(async { while store.commit_login(login("s2", at(3))).await.is_err() {} }).await;
    for number in [0, 4, 8] {
        assert!(find(&*store, &format!("new-{number}"), at(3)).await.is_none(), "{number}");
    }
    assert!(find(&*store, "new-gone", at(3)).await.is_none());
    assert!(matches!(known(&*store, "s1", at(3)).await, KnownSession::Alive(_)), "its end was given up");
    store.close().await;
}

/// The queue is full of calls that were given up: they leave it as soon as the lock is gone.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_were_given_up_take_no_place_when_the_lock_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(file(&folder), SqliteSettings { queue: 4, ..settings() }).unwrap());
    let locked = lock(&folder);
    for round in 0..3 {
        let calls: Vec<_> = (0..8)
            .map(|number| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.commit_login(login(&format!("r{round}-{number}"), at(1))).await })
            })
            .collect();
        for call in calls {
            let error = ends(call).await.unwrap().unwrap_err();
            assert!(matches!(error, StoreError::TimedOut { .. } | StoreError::Busy { .. }), "{error}");
        }
    }
    drop(locked);
    ends(async { while store.commit_login(login("s1", at(1))).await.is_err() {} }).await;
    let kept = store.sessions_of(&tenant("acme"), &user("anna"), None, 100, at(2)).await.unwrap();
    assert_eq!(kept.sessions.len(), 1, "{:?}", kept.sessions);
    store.close().await;
}
