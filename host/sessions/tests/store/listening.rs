//! Several servers on one PostgreSQL: what one of them deploys, the others are told of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Map;
use tokio::task::JoinSet;
use vestibule_model::{ComponentDigest, TenantId};
use vestibule_sessions::{ActionCreated, ActionUid, NewAction, PostgresSettings, PostgresStore, Registry, Store, Trigger};

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

async fn create(store: &PostgresStore, of: &TenantId, name: &str) -> ActionUid {
    let id = ActionUid::random().unwrap();
    let action =
        NewAction { id, name: name.parse().unwrap(), trigger: Trigger::PostLogin, settings: Map::new(), secrets: Vec::new() };
    let created = store.create_action(of, action, 100, at(1)).await.unwrap();
    assert!(matches!(created, ActionCreated::Created(_)), "{created:?}");
    id
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

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_the_revisions_misses_none_of_many_that_change_at_once() {
    const TENANTS: usize = 12;
    let servers = Servers::start().await;
    let stores = [servers.open().await, servers.open().await];
    let mut writers = JoinSet::new();
    for number in 0..TENANTS {
        let store = Arc::clone(&stores[number % 2]);
        writers.spawn(async move {
            for _ in 0..20 {
                change(&store, &format!("tenant-{number}")).await;
            }
        });
    }
    let (mut after, mut seen) = (0, BTreeMap::new());
    loop {
        let is_done = writers.is_empty();
        let changes = stores[0].flows_changed(after).await.unwrap();
        assert!(changes.revision >= after && changes.tenants.is_empty() == (changes.revision == after));
        for tenant in changes.tenants {
            let policy = stores[0].policy(&tenant).await.unwrap().unwrap();
            seen.insert(tenant, policy.revision);
        }
        after = changes.revision;
        if is_done {
            break;
        }
        while let Some(written) = writers.try_join_next() {
            written.unwrap();
        }
    }
    assert_eq!(after, 20 * TENANTS as u64, "a revision was given twice, or left out");
    assert_eq!(seen.len(), TENANTS);
    for (tenant, revision) in seen {
        assert_eq!(stores[1].policy(&tenant).await.unwrap().unwrap().revision, revision, "{tenant}");
    }
    for store in stores {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_one_uploads_while_another_gives_it_up_is_there() {
    let servers = Servers::start().await;
    let stores = [servers.open().await, servers.open().await];
    let acme = tenant("acme");
    let ids = [create(&stores[0], &acme, "one").await, create(&stores[1], &acme, "other").await];
    let components = [Bytes::from_static(b"first"), Bytes::from_static(b"second")];
    let mut uploads = JoinSet::new();
    for (turn, (store, id)) in stores.iter().zip(ids).enumerate() {
        let (store, acme, components) = (Arc::clone(store), acme.clone(), components.clone());
        uploads.spawn(async move {
            for round in 0..30 {
                let component = &components[(turn + round) % 2];
                let digest = ComponentDigest::of(component);
                store.put_draft(&acme, &id, &digest, component.clone(), at(1)).await.unwrap().unwrap();
                assert_eq!(store.component(&acme, &digest).await.unwrap().as_ref(), Some(component), "{round}");
            }
        });
    }
    while let Some(uploaded) = uploads.join_next().await {
        uploaded.unwrap();
    }
    for store in stores {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_create_the_last_action_that_may_be_one_does() {
    let servers = Servers::start().await;
    let stores = [servers.open().await, servers.open().await];
    let acme = tenant("acme");
    let mut creators = JoinSet::new();
    for number in 0..12 {
        let (store, acme) = (Arc::clone(&stores[number % 2]), acme.clone());
        creators.spawn(async move {
            let action = NewAction {
                id: ActionUid::random().unwrap(),
                name: format!("action-{number}").parse().unwrap(),
                trigger: Trigger::PostLogin,
                settings: Map::new(),
                secrets: Vec::new(),
            };
            store.create_action(&acme, action, 1, at(1)).await.unwrap()
        });
    }
    let mut created = Vec::new();
    while let Some(answer) = creators.join_next().await {
        created.push(answer.unwrap());
    }
    let are_there = created.iter().filter(|answer| matches!(answer, ActionCreated::Created(_))).count();
    let are_too_many = created.iter().filter(|answer| **answer == ActionCreated::TooMany).count();
    assert_eq!((are_there, are_too_many), (1, 11));
    for store in stores {
        store.close().await;
    }
}
