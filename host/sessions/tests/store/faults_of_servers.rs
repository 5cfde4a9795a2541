//! Servers that go away, are slow, or can't be written to: what is said then, and that the store
//! goes on when the reason is gone.

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
    assert!(matches!(second, StoreError::Exhausted { connections: 1, .. }), "{second}");
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

/// This number of entries of the log that have no positions, as logins leave them.
async fn write_log(cluster: &Cluster, url: &str, entries: u32) {
    let database = url.trim_start_matches("postgres:///").split('?').next().unwrap();
    let sql = format!(
        "INSERT INTO log (tenant, date, kind, body) \
         SELECT 'acme'::bytea, {} + number, 's', json_build_object('description', number)::text FROM generate_series(1, {entries}) AS number",
        at(0).as_millis()
    );
    cluster.execute(database, &sql).await;
}

/// The numbers of entries.
fn numbers(entries: &[vestibule_sessions::LogEntry]) -> Vec<u64> {
    entries.iter().filter_map(|entry| entry.body.get("description")?.as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reader_waits_until_a_long_log_has_positions() {
    const ENTRIES: u32 = 25_000;
    let cluster = Cluster::shared();
    let url = cluster.new_database().await;
    let store = PostgresStore::connect(&url, PostgresSettings::default()).await.unwrap();
    write_log(&cluster, &url, ENTRIES).await;
    let acme = tenant("acme");
    let positions = || async {
        let url = cluster.url(url.trim_start_matches("postgres:///").split('?').next().unwrap());
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let row = client.query_one("SELECT count(position) FROM log", &[]).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
        row.get::<_, i64>(0)
    };
    // The oldest are known at once, in their order; the newest are not yet.
    assert_eq!(numbers(&store.log_after(&acme, vestibule_sessions::LogPosition::default(), 3).await.unwrap()), [1, 2, 3]);
    assert_eq!(positions().await, 10_000);
    let error = store.latest_log(&acme, 0, 3).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    // A sweep gives positions to the rest.
    while store.sweep(at(0), keep_all(), 10).await.unwrap().is_more {}
    assert_eq!(positions().await, i64::from(ENTRIES));
    assert_eq!(numbers(&store.latest_log(&acme, 0, 2).await.unwrap()), [25_000, 24_999]);
    let mut read = Vec::new();
    let mut after = vestibule_sessions::LogPosition::default();
    loop {
        let page = store.log_after(&acme, after, 1_000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.position;
        read.extend(numbers(&page));
    }
    assert!(read.into_iter().eq(1..=u64::from(ENTRIES)), "each entry once, in its order");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_where_the_database_can_only_be_read() {
    let cluster = Cluster::shared();
    let url = cluster.new_database().await;
    let store = PostgresStore::connect(&url, PostgresSettings::default()).await.unwrap();
    commit(&store, logs("acme", "old", at(1))).await;
    assert_eq!(log_of(&store, "acme").await.len(), 1);
    // This one has no position.
    commit(&store, logs("acme", "new", at(2))).await;
    store.close().await;
    let url = format!("{url}&options=-c%20default_transaction_read_only%3Don");
    let store = PostgresStore::connect(&url, PostgresSettings::default()).await.unwrap();
    assert_eq!(described(&log_of(&store, "acme").await), ["old"]);
    assert_eq!(described(&store.latest_log(&tenant("acme"), 0, 10).await.unwrap()), ["old"]);
    store.close().await;
}
