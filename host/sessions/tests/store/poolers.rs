//! A real PgBouncer between the store and its database: what is set up works, and what is not is
//! refused when the store is opened.

use std::sync::Arc;

use vestibule_sessions::{Committed, Pooler, PostgresSettings, PostgresStore, Registry as _, Store, StoreError};

use crate::parts::cluster::Cluster;
use crate::parts::logins::*;
use crate::parts::pooler::PgBouncer;

const IGNORES: &str = "ignore_startup_parameters = options";

struct Pooled {
    cluster: Arc<Cluster>,
    pooler: PgBouncer,
    database: String,
}

impl Pooled {
    async fn start(mode: &str, connections: usize, settings: &str) -> Self {
        let cluster = Cluster::shared();
        let url = cluster.new_database().await;
        let database = url.trim_start_matches("postgres:///").split('?').next().unwrap().to_owned();
        let pooler = PgBouncer::start(&cluster, mode, connections, settings).await;
        Self { cluster, pooler, database }
    }

    async fn open(&self, pooler: Pooler, connections: usize) -> Result<Arc<PostgresStore>, StoreError> {
        let settings = PostgresSettings { connections, pooler, ..PostgresSettings::default() };
        Ok(Arc::new(PostgresStore::connect(&self.pooler.url(&self.database), settings).await?))
    }

    async fn is_refused(&self, pooler: Pooler, connections: usize) -> String {
        match self.open(pooler, connections).await {
            Err(StoreError::Pooler { reason, .. }) => reason,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it should be refused"),
        }
    }
}

/// More logins at one time than there are connections anywhere.
async fn log_in_at_once(store: &Arc<PostgresStore>) {
    let logins: Vec<_> = (0..200)
        .map(|number| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut login = login(&format!("s{number}"), at(number));
                login.transaction = Some(answered(transaction(&format!("t{number}")), "answer".into()));
                login.log.push(entry("login", at(number)));
                store.commit_login(login).await
            })
        })
        .collect();
    for login in logins {
        let committed = login.await.unwrap().unwrap();
        assert!(matches!(committed, Committed::Done { .. }), "{committed:?}");
    }
    assert_eq!(log_of(&**store, "acme").await.len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_pooler_works_where_it_is_named() {
    let pooled = Pooled::start("transaction", 2, "").await;
    let (one, other) = (pooled.open(Pooler::Transaction, 16).await.unwrap(), pooled.open(Pooler::Transaction, 16).await.unwrap());
    log_in_at_once(&one).await;
    assert!(find(&*other, "s7", at(1)).await.is_some());
    let session = other.replace_metadata(&tenant("acme"), &id("s7"), metadata(&[("k", "v")]), at(300)).await.unwrap();
    assert_eq!(entries(&session.unwrap().metadata), [("k", "v")]);
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_have_time_limits_behind_a_transaction_pooler() {
    let pooled = Pooled::start("transaction", 2, "").await;
    let settings = PostgresSettings {
        statement: std::time::Duration::from_millis(300),
        pooler: Pooler::Transaction,
        ..PostgresSettings::default()
    };
    let store = PostgresStore::connect(&pooled.pooler.url(&pooled.database), settings).await.unwrap();
    commit(&store, login("s1", at(1))).await;
    let url = pooled.cluster.url(&pooled.database);
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute("BEGIN; LOCK TABLE sessions").await.unwrap();
    // The database itself ends them: a lookup, and a login.
    for error in [
        store.session(&tenant("acme"), &id("s1"), at(2)).await.unwrap_err(),
        store.commit_login(login("s1", at(2))).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    }
    client.batch_execute("COMMIT").await.unwrap();
    commit(&store, login("s1", at(3))).await;
    drop(client);
    connection.await.unwrap().unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_pooler_that_was_not_named_is_refused() {
    for settings in ["", IGNORES] {
        let pooled = Pooled::start("transaction", 4, settings).await;
        pooled.is_refused(Pooler::None, 4).await;
        pooled.is_refused(Pooler::Session, 4).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_pooler_works_where_it_is_named() {
    let pooled = Pooled::start("session", 5, "").await;
    pooled.is_refused(Pooler::None, 4).await;
    let store = pooled.open(Pooler::Session, 4).await.unwrap();
    log_in_at_once(&store).await;
    store.flow_notice().await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_pooler_with_too_few_connections_is_refused() {
    let pooled = Pooled::start("session", 3, "").await;
    let reason = pooled.is_refused(Pooler::Session, 8).await;
    assert!(reason.contains("3 of the 8"), "{reason}");
}
