//! Servers that go away, are slow, or can't be written to: what is said then, and that the store goes on when the reason is gone.

use std::sync::Arc;
use std::time::Duration;

use vestibule_sessions::{Committed, PostgresSettings, PostgresStore, Registry as _, Store, StoreError};

use crate::parts::cluster::Cluster;
use crate::parts::logins::*;
use crate::parts::registry::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_and_comes_back_is_used_again() {
    let cluster = Cluster::start();
    let url = cluster.new_database().await;
    let settings = PostgresSettings { wait: Duration::from_millis(500), connections: 4, ..PostgresSettings::default() };
    let store: Arc<dyn Store> = Arc::new(PostgresStore::connect(&url, settings).await.unwrap());
    commit(&*store, login("s1", at(1))).await;
    for round in 0..2 {
        if round == 0 {
            cluster.stop()
        } else {
            cluster.crash()
        }
        let error = store.commit_login(login("s2", at(2))).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
        assert!(store.check().await.is_err());
        assert!(store.session(&tenant("acme"), &id("s1"), at(2)).await.is_err());
        cluster.resume();
        store.check().await.unwrap();
        assert_eq!(commit(&*store, login("s1", at(3))).await.unwrap().revision, round + 2);
    }
    assert_eq!(find(&*store, "s2", at(3)).await, None);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_can_only_be_read_says_so() {
    let cluster = Cluster::shared();
    let url = cluster.new_database().await;
    PostgresStore::connect(&url, PostgresSettings::default()).await.unwrap().close().await;
    let url = format!("{url}&options=-c%20default_transaction_read_only%3Don");
    let store = PostgresStore::connect(&url, PostgresSettings::default()).await.unwrap();
    for error in [store.commit_login(login("s1", at(1))).await.unwrap_err(), store.check().await.unwrap_err()] {
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    }
    assert_eq!(find(&store, "s1", at(1)).await, None);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_unreachable_and_its_password_not_told() {
    let cluster = Cluster::shared();
    let there_is_none = format!("postgres:///none?host={}&user=postgres&password=hunter2", cluster.folder().display());
    let urls = [
        there_is_none.as_str(),
        "postgres://anna:hunter2@127.0.0.1:1/vestibule",
        "postgres://anna:hunter2@host.invalid/vestibule",
    ];
    for url in urls {
        let error = PostgresStore::connect(url, PostgresSettings::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_finds_no_connection_is_told_to_come_again() {
    let cluster = Cluster::shared();
    let url = cluster.new_database().await;
    let settings = PostgresSettings { wait: Duration::from_millis(200), connections: 1, ..PostgresSettings::default() };
    let store = Arc::new(PostgresStore::connect(&url, settings).await.unwrap());
    commit(&*store, login("s1", at(1))).await;
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute("BEGIN; SELECT 1 FROM sessions FOR UPDATE").await.unwrap();
    let first = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.commit_login(login("s1", at(2))).await }
    });
    // It has the only connection, and waits for the row.
    let second = loop {
        match store.session(&tenant("acme"), &id("s1"), at(2)).await {
            Err(error) => break error,
            Ok(_) => tokio::task::yield_now().await,
        }
    };
    assert!(matches!(second, StoreError::Busy { .. }), "{second}");
    client.batch_execute("COMMIT").await.unwrap();
    assert!(matches!(first.await.unwrap(), Ok(Committed::Done { .. })));
    drop(client);
    connection.await.unwrap().unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_ended_and_a_login_that_nobody_waits_for_holds_nothing() {
    let cluster = Cluster::shared();
    let url = cluster.new_database().await;
    let settings = PostgresSettings { statement: Duration::from_millis(300), ..PostgresSettings::default() };
    let store = Arc::new(PostgresStore::connect(&url, settings).await.unwrap());
    commit(&*store, login("s1", at(1))).await;
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute("BEGIN; SELECT 1 FROM sessions FOR UPDATE").await.unwrap();
    let error = store.commit_login(login("s1", at(2))).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    let forgotten = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.commit_login(login("s1", at(2))).await }
    });
    tokio::task::yield_now().await;
    forgotten.abort();
    let _ = forgotten.await;
    client.batch_execute("COMMIT").await.unwrap();
    let session = commit(&*store, login("s1", at(3))).await.unwrap();
    assert_eq!(session.last_interacted_at, at(3));
    drop(client);
    connection.await.unwrap().unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_may_take_longer_to_be_read_than_a_statement_has() {
    let cluster = Cluster::shared();
    let url = cluster.new_database().await;
    let settings = PostgresSettings { statement: Duration::from_millis(300), connections: 2, ..PostgresSettings::default() };
    let store = Arc::new(PostgresStore::connect(&url, settings).await.unwrap());
    let id = create_action(&*store, "large").await.id;
    upload(&*store, "acme", &id, "bytes", at(2)).await;
    // Each of the two connections has prepared it.
    let (acme, digest) = (tenant("acme"), digest_of("bytes"));
    let (one, other) = tokio::join!(store.component(&acme, &digest), store.component(&acme, &digest));
    assert!(one.unwrap().is_some() && other.unwrap().is_some());
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute("BEGIN; LOCK TABLE components, policies").await.unwrap();
    let reading = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.component(&tenant("acme"), &digest_of("bytes")).await }
    });
    // When all that a statement has is over twice, the other one still waits.
    for _ in 0..2 {
        assert!(matches!(store.policy(&tenant("acme")).await, Err(StoreError::Busy { .. })));
    }
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(reading.await.unwrap().unwrap().as_deref(), Some(b"bytes".as_slice()));
    drop(client);
    connection.await.unwrap().unwrap();
    store.close().await;
}
