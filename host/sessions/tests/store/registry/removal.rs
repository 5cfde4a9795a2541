//! Bytes of components that nothing names any more: nobody finds them, and sweeps remove them.

use bytes::Bytes;
use vestibule_sessions::{ActionDeleted, ActionUid, DraftPut, Keeping, Store};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::registry::*;

on_all! {
    a_deleted_action_is_gone_at_once_and_its_bytes_are_removed_by_sweeps,
    a_tenant_has_the_room_of_what_was_deleted_at_once,
    bytes_that_come_again_before_they_are_removed_stay,
    bytes_that_come_again_have_to_have_room,
    versions_and_drafts_that_are_replaced_are_removed_too,
}

/// An Action of `acme` with so many versions.
async fn with_versions(store: &dyn Store, name: &str, versions: usize) -> ActionUid {
    let id = create_action(store, name).await.id;
    for version in 1..=versions {
        build(store, "acme", &id, &format!("{name} {version}"), at(2)).await;
        deploy(store, "acme", &id, at(3)).await;
    }
    id
}

async fn a_deleted_action_is_gone_at_once_and_its_bytes_are_removed_by_sweeps(database: &Database) {
    let store = database.open().await;
    let id = with_versions(&*store, "old", 5).await;
    let kept = with_versions(&*store, "kept", 1).await;
    assert_eq!(store.delete_action(&tenant("acme"), &id, false, at(4)).await.unwrap(), ActionDeleted::Deleted);
    assert_eq!(store.action(&tenant("acme"), &id).await.unwrap(), None);
    for version in 1..=5 {
        assert!(!has_component(&*store, "acme", &format!("old {version}")).await);
    }
    database.has_bytes_of(6).await;
    let swept = store.sweep(at(5), keep_all(), 2).await.unwrap();
    assert_eq!((swept.forgotten, swept.is_more), (2, true), "two at a time");
    database.has_bytes_of(4).await;
    while store.sweep(at(5), keep_all(), 2).await.unwrap().is_more {}
    database.has_bytes_of(1).await;
    assert!(has_component(&*store, "acme", "kept 1").await);
    assert!(action(&*store, &kept).await.deployed.is_some());
    assert_eq!(store.sweep(at(5), keep_all(), 2).await.unwrap().forgotten, 0);
}

/// Ten bytes.
const TEN: Keeping = Keeping { bytes: 10, versions: 2 };

async fn put_in(store: &dyn Store, id: &ActionUid, bytes: &'static str) -> DraftPut {
    let component = Bytes::from_static(bytes.as_bytes());
    store.put_draft(&tenant("acme"), id, &digest_of(bytes), component, TEN, at(2)).await.unwrap()
}

async fn a_tenant_has_the_room_of_what_was_deleted_at_once(database: &Database) {
    let store = database.open().await;
    let [one, other] = [create_action(&*store, "one").await.id, create_action(&*store, "other").await.id];
    put(put_in(&*store, &one, "0123456789").await);
    assert_eq!(put_in(&*store, &other, "9876543210").await, DraftPut::TooManyBytes);
    store.delete_action(&tenant("acme"), &one, false, at(3)).await.unwrap();
    put(put_in(&*store, &other, "9876543210").await);
    database.has_bytes_of(2).await;
    store.sweep(at(4), keep_all(), 100).await.unwrap();
    database.has_bytes_of(1).await;
    assert!(has_component(&*store, "acme", "9876543210").await);
}

async fn bytes_that_come_again_before_they_are_removed_stay(database: &Database) {
    let store = database.open().await;
    let id = with_versions(&*store, "old", 2).await;
    store.delete_action(&tenant("acme"), &id, false, at(4)).await.unwrap();
    let again = create_action(&*store, "again").await.id;
    upload(&*store, "acme", &again, "old 1", at(5)).await;
    store.sweep(at(6), keep_all(), 100).await.unwrap();
    database.has_bytes_of(1).await;
    assert!(has_component(&*store, "acme", "old 1").await && !has_component(&*store, "acme", "old 2").await);
}

async fn bytes_that_come_again_have_to_have_room(database: &Database) {
    let store = database.open().await;
    let [one, other] = [create_action(&*store, "one").await.id, create_action(&*store, "other").await.id];
    put(put_in(&*store, &one, "0123456789").await);
    put(put_in(&*store, &one, "01234").await);
    // Not removed yet, and nobody's.
    assert_eq!(put_in(&*store, &other, "0123456789").await, DraftPut::TooManyBytes);
    put(put_in(&*store, &one, "0123456789").await);
    assert!(has_component(&*store, "acme", "0123456789").await);
}

async fn versions_and_drafts_that_are_replaced_are_removed_too(database: &Database) {
    let store = database.open().await;
    let id = create_action(&*store, "one").await.id;
    let keeping = Keeping { bytes: u64::MAX, versions: 1 };
    for version in ["1", "2", "3"] {
        upload(&*store, "acme", &id, &format!("a mistake before {version}"), at(2)).await;
        build(&*store, "acme", &id, version, at(2)).await;
        let running = action(&*store, &id).await.deployed.map(|version| version.id);
        store.deploy_draft(&tenant("acme"), &id, &digest_of(version), running.into(), keeping, at(3)).await.unwrap();
    }
    assert!(has_component(&*store, "acme", "3").await && !has_component(&*store, "acme", "2").await);
    store.sweep(at(4), keep_all(), 100).await.unwrap();
    database.has_bytes_of(1).await;
    assert!(has_component(&*store, "acme", "3").await);
}
