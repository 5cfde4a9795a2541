//! Several servers on one PostgreSQL: what one of them deploys, the others are told of.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde_json::Map;
use vestibule_sessions::{PostgresSettings, PostgresStore, Registry, Store};

use crate::parts::cluster::Cluster;
use crate::parts::logins::*;

/// Somebody who listens is there, and is one.
const ONE_LISTENS: &str = "DO $$ BEGIN ASSERT (SELECT count(*) = 1 FROM pg_stat_activity \
     WHERE datname = current_database() AND query = 'LISTEN vestibule_flows'); END $$";

const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
     WHERE datname = current_database() AND query = 'LISTEN vestibule_flows'";

const NOBODY_LISTENS: &str = "DO $$ BEGIN FOR second IN 1..60 LOOP PERFORM pg_stat_clear_snapshot(); \
     EXIT WHEN (SELECT count(*) = 0 FROM pg_stat_activity \
         WHERE datname = current_database() AND query = 'LISTEN vestibule_flows'); \
     ASSERT second < 60, 'somebody listens to a store that was closed'; PERFORM pg_sleep(1); END LOOP; END $$";

struct Servers {
    cluster: Arc<Cluster>,
    database: String,
    url: String,
}

impl Servers {
    async fn start() -> Self {
        let cluster = Cluster::shared();
        let url = cluster.new_database().await;
        let database = url.trim_start_matches("postgres:///").split('?').next().unwrap().to_owned();
        Self { cluster, database, url }
    }

    async fn open(&self) -> Arc<PostgresStore> {
        Arc::new(PostgresStore::connect(&self.url, PostgresSettings::default()).await.unwrap())
    }

    async fn execute(&self, sql: &str) {
        self.cluster.execute(&self.database, sql).await;
    }
}

/// Changes what runs at a tenant's logins.
async fn change(store: &PostgresStore, of: &str) {
    store.set_policy(&tenant(of), Some(Map::new()), at(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_changes_another_one_is_told_of() {
    let servers = Servers::start().await;
    let (one, other) = (servers.open().await, servers.open().await);
    // Whoever has begun to listen is told so: what came before was not heard.
    other.flow_notice().await;
    for round in 1..=5 {
        change(&one, "acme").await;
        other.flow_notice().await;
        assert_eq!(other.flows_changed(round - 1).await.unwrap().tenants, [tenant("acme")]);
    }
    servers.execute(ONE_LISTENS).await;
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn word_that_comes_while_nobody_waits_is_kept() {
    let servers = Servers::start().await;
    let (one, other) = (servers.open().await, servers.open().await);
    other.flow_notice().await;
    for of in ["acme", "globex", "initech"] {
        change(&one, of).await;
    }
    // A call that is given up takes no word with it.
    let mut waiting = Box::pin(other.flow_notice());
    let is_told = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_ready())).await;
    drop(waiting);
    if !is_told {
        other.flow_notice().await;
    }
    let tenants = other.flows_changed(0).await.unwrap().tenants;
    assert_eq!(tenants, ["acme", "globex", "initech"].map(tenant));
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_cut_is_made_again_and_says_that_something_may_have_been_missed() {
    let servers = Servers::start().await;
    let (one, other) = (servers.open().await, servers.open().await);
    other.flow_notice().await;
    servers.execute(CUT).await;
    // Nothing has changed: this is the new connection.
    other.flow_notice().await;
    servers.execute(ONE_LISTENS).await;
    change(&one, "acme").await;
    other.flow_notice().await;
    assert_eq!(other.flows_changed(0).await.unwrap().tenants, [tenant("acme")]);
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_and_comes_back_is_listened_to_again() {
    let cluster = Cluster::start();
    let url = cluster.new_database().await;
    let store = PostgresStore::connect(&url, PostgresSettings::default()).await.unwrap();
    store.flow_notice().await;
    cluster.crash();
    cluster.resume();
    store.flow_notice().await;
    change(&store, "acme").await;
    store.flow_notice().await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_closed_listens_to_nobody() {
    let servers = Servers::start().await;
    let store = servers.open().await;
    store.flow_notice().await;
    servers.execute(ONE_LISTENS).await;
    store.close().await;
    servers.execute(NOBODY_LISTENS).await;
    let waited = tokio::time::timeout(Duration::from_millis(50), store.flow_notice()).await;
    assert!(waited.is_err(), "a store that was closed has heard of something");
    let dropped = servers.open().await;
    dropped.flow_notice().await;
    drop(dropped);
    servers.execute(NOBODY_LISTENS).await;
}
