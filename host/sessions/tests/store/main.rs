//! first
mod parts;
use parts::*;
use vestibule_sessions::{Committed, SqliteSettings, SqliteStore, Store};

#[tokio::test]
async fn a_session_that_was_committed_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("sessions.db"), SqliteSettings::default()).unwrap();
    let mut l = login("s1", at(5));
    l.transaction = Some((transaction("t1"), "answer".into()));
    l.log.push(entry("hello", at(5)));
    let done = commit(&store, l.clone()).await.unwrap();
    assert_eq!(find(&store, "s1", at(6)).await.unwrap(), done);
    assert!(matches!(store.commit_login(l).await.unwrap(), Committed::Repeated { answer } if &*answer == "answer"));
    assert_eq!(described(&log_of(&store, "acme").await), ["hello"]);
    let before = store.before_login(&tenant("acme"), Some(&transaction("t1")), Some(&id("s1")), at(6)).await.unwrap();
    assert_eq!(before.answer.as_deref(), Some("answer"));
    let _ = known(&store, "s2", at(1)).await;
    store.check().await.unwrap();
    store.close().await;
}
