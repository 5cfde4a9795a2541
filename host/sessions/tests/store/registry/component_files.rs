//! The bytes of components in SQLite: in a file of their own, whose writer no login waits for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use vestibule_sessions::{ActionUid, DraftPut, Keeping, Registry as _, SqliteSettings, SqliteStore, Store, StoreError};

use crate::parts::database::{bytes_in, components_file, file};
use crate::parts::logins::*;
use crate::parts::registry::*;

fn open(folder: &TempDir) -> Arc<SqliteStore> {
    // Longer than a test waits.
    let settings = SqliteSettings { busy: Duration::from_secs(600), ..SqliteSettings::default() };
    Arc::new(SqliteStore::open(file(folder), settings).unwrap())
}

/// Another process that writes to the file of components, for as long as this is there.
fn holding(folder: &TempDir) -> Connection {
    let other = Connection::open(components_file(folder)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

const TEN: Keeping = Keeping { bytes: 10, versions: 2 };

fn upload_of(store: &Arc<SqliteStore>, id: ActionUid, bytes: &'static str) -> JoinHandle<Result<DraftPut, StoreError>> {
    let store = Arc::clone(store);
    let component = Bytes::from_static(bytes.as_bytes());
    tokio::spawn(async move { store.put_draft(&tenant("acme"), &id, &digest_of(bytes), component, TEN, at(2)).await })
}

/// Waits until an upload has announced its bytes.
async fn announced(folder: &TempDir) {
    let main = Connection::open(file(folder)).unwrap();
    main.busy_timeout(Duration::from_secs(10)).unwrap();
    let arrives = "SELECT count(*) FROM components WHERE state = 'arriving'";
    while main.query_row(arrives, (), |row| row.get::<_, i64>(0)).unwrap() == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_login_waits_for_the_bytes_of_a_component() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let id = create_action(&*store, "large").await.id;
    let other = holding(&folder);
    let uploading = upload_of(&store, id, "bytes");
    announced(&folder).await;
    for number in 0..20 {
        assert!(commit(&*store, login(&format!("s{number}"), at(3))).await.is_some());
    }
    assert!(!uploading.is_finished(), "the bytes can't be written yet");
    assert_eq!(action(&*store, &id).await.draft, None, "no draft is there before its bytes are");
    drop(other);
    put(uploading.await.unwrap().unwrap());
    assert!(has_component(&*store, "acme", "bytes").await);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_was_broken_off_counts_until_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let id = create_action(&*store, "broken").await.id;
    let other = holding(&folder);
    let uploading = upload_of(&store, id, "0123456789");
    announced(&folder).await;
    uploading.abort();
    assert!(uploading.await.is_err());
    drop(other);
    assert_eq!(upload_of(&store, id, "12345").await.unwrap().unwrap(), DraftPut::TooManyBytes);
    store.sweep(at(3), keep_all(), 100).await.unwrap();
    assert_eq!(upload_of(&store, id, "12345").await.unwrap().unwrap(), DraftPut::TooManyBytes, "it may be on its way");
    let later = vestibule_model::Timestamp::from_millis(at(2).as_millis() + 600_001);
    store.sweep(later, keep_all(), 100).await.unwrap();
    assert_eq!(bytes_in(&folder), 0, "what had not begun never happens");
    put(upload_of(&store, id, "12345").await.unwrap().unwrap());
    assert!(has_component(&*store, "acme", "12345").await);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_takes_longer_than_the_sweep_waits_becomes_no_draft_without_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let id = create_action(&*store, "slow").await.id;
    let other = holding(&folder);
    let uploading = upload_of(&store, id, "bytes");
    announced(&folder).await;
    let later = vestibule_model::Timestamp::from_millis(at(2).as_millis() + 600_001);
    let sweeping = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.sweep(later, keep_all(), 100).await }
    });
    let main = Connection::open(file(&folder)).unwrap();
    while main.query_row("SELECT count(*) FROM components WHERE state = 'gone'", (), |row| row.get::<_, i64>(0)).unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    drop(other);
    let answer = uploading.await.unwrap();
    assert!(matches!(answer, Err(StoreError::Busy { .. })), "{answer:?}");
    sweeping.await.unwrap().unwrap();
    assert_eq!((action(&*store, &id).await.draft, bytes_in(&folder)), (None, 0));
    put(upload_of(&store, id, "bytes").await.unwrap().unwrap());
    assert!(has_component(&*store, "acme", "bytes").await);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_both_files_is_the_whole_store_and_one_file_alone_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let deployed = deployed(&*store, "gate").await;
    let bytes = "the component of gate";
    let copy = tempfile::tempdir().unwrap();
    for (from, to) in [(file(&folder), file(&copy)), (components_file(&folder), components_file(&copy))] {
        Connection::open(from).unwrap().execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
    }
    upload(&*store, "acme", &deployed.id, "later", at(9)).await;
    let restored = open(&copy);
    assert!(has_component(&*restored, "acme", bytes).await && !has_component(&*restored, "acme", "later").await);
    restored.close().await;
    // Without its bytes an Action is there, and can be uploaded again.
    std::fs::remove_file(components_file(&copy)).unwrap();
    let restored = open(&copy);
    assert!(!has_component(&*restored, "acme", bytes).await);
    assert_eq!(action(&*restored, &deployed.id).await.deployed, deployed.deployed);
    upload(&*restored, "acme", &deployed.id, bytes, at(9)).await;
    assert!(has_component(&*restored, "acme", bytes).await);
    restored.close().await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_the_main_file_does_not_know_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let id = create_action(&*store, "known").await.id;
    upload(&*store, "acme", &id, "known", at(2)).await;
    // As where the main file was restored alone.
    let other = Connection::open(components_file(&folder)).unwrap();
    for number in 0..5 {
        other.execute("INSERT INTO components (id, bytes) VALUES (?1, x'00')", [format!("unknown {number}")]).unwrap();
    }
    assert_eq!(bytes_in(&folder), 6);
    // A few at a time, from the first to the last, and again from the first.
    for _ in 0..4 {
        store.sweep(at(3), keep_all(), 2).await.unwrap();
    }
    assert_eq!(bytes_in(&folder), 1);
    assert!(has_component(&*store, "acme", "known").await);
    other.execute("INSERT INTO components (id, bytes) VALUES ('later', x'00')", ()).unwrap();
    for _ in 0..4 {
        store.sweep(at(3), keep_all(), 2).await.unwrap();
    }
    assert_eq!(bytes_in(&folder), 1);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_bytes_that_come_at_once_are_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(create_action(&*store, &format!("a{number}")).await.id);
    }
    let uploads: Vec<_> = ids
        .iter()
        .map(|id| {
            let (store, id) = (Arc::clone(&store), *id);
            tokio::spawn(async move { upload(&*store, "acme", &id, "same", at(2)).await })
        })
        .collect();
    for upload in uploads {
        assert_eq!(upload.await.unwrap().draft.unwrap().digest, digest_of("same"));
    }
    store.sweep(at(3), keep_all(), 100).await.unwrap();
    assert_eq!(bytes_in(&folder), 1);
    assert!(has_component(&*store, "acme", "same").await);
    store.close().await;
}
