//! Short ways to say what the tests ask of a store about clients and deliveries.

use serde_json::{Map, json};
use vestibule_model::Timestamp;
use vestibule_sessions::{
    AttemptResult, Claimed, Client, ClientCreated, ClientDeleted, ClientId, ClientSource, Delivery, DeliveryState, Initiator,
    LogEntry, LogKind, LogoutInitiators, LogoutSettings, LogoutUrl, NewLogEntry, ReceiverShare, SessionChange, Settled, Store,
};

use super::logins::*;

pub(crate) fn client_id(name: &str) -> ClientId {
    name.parse().unwrap()
}

pub(crate) fn url(text: &str) -> LogoutUrl {
    text.parse().unwrap()
}

/// Settings that want to hear of every end.
pub(crate) fn hears_at(urls: &[&str]) -> LogoutSettings {
    LogoutSettings {
        urls: urls.iter().map(|text| url(text)).collect(),
        initiators: LogoutInitiators::All,
        include_session_metadata: false,
    }
}

/// A client of the Management API.
pub(crate) fn client(name: &str, logout: Option<LogoutSettings>) -> Client {
    let mut body = Map::new();
    body.insert("odd".into(), json!("\u{0}é🦀"));
    Client {
        id: client_id(name),
        name: format!("The {name}\u{0}"),
        body,
        logout,
        source: ClientSource::Management,
        created_at: at(0),
        updated_at: at(0),
        revision: 1,
    }
}

/// Creates a client of the tenant `acme` that hears of every end at these URLs.
pub(crate) async fn subscribe(store: &dyn Store, name: &str, urls: &[&str]) {
    create(store, client(name, Some(hears_at(urls)))).await;
}

pub(crate) async fn create(store: &dyn Store, client: Client) {
    assert_eq!(store.create_client(&tenant("acme"), client, u64::MAX).await.unwrap(), ClientCreated::Created);
}

/// A client of the tenant `acme`, as it is kept.
pub(crate) async fn kept(store: &dyn Store, name: &str) -> Option<Client> {
    store.client(&tenant("acme"), &client_id(name)).await.unwrap()
}

/// Deletes a client of the tenant `acme`.
pub(crate) async fn delete(store: &dyn Store, name: &str) -> ClientDeleted {
    store.delete_client(&tenant("acme"), &client_id(name)).await.unwrap()
}

/// Changes a client's settings.
pub(crate) async fn set_logout(store: &dyn Store, name: &str, logout: Option<LogoutSettings>) {
    let client = Client { logout, ..kept(store, name).await.unwrap() };
    assert!(store.replace_client(&tenant("acme"), client).await.unwrap());
}

/// A login of the tenant `acme` and its user `anna` to each of these clients, in one session.
pub(crate) async fn log_in_to(store: &dyn Store, session: &str, clients: &[&str], now: Timestamp) {
    for client in clients {
        let mut login = login(session, now);
        login.session.as_mut().unwrap().change = SessionChange::Use(Box::new(used(client)));
        assert!(commit(store, login).await.is_some());
    }
}

/// Logs in and out again: a session of these clients that has ended.
pub(crate) async fn end_one(store: &dyn Store, session: &str, clients: &[&str], now: Timestamp) {
    log_in_to(store, session, clients, now).await;
    assert!(store.end(&tenant("acme"), &id(session), Initiator::RpLogout, now).await.unwrap());
}

/// All deliveries of all tenants.
pub(crate) async fn all(store: &dyn Store) -> Vec<Delivery> {
    let page = store.deliveries(None, None, None, 1_000_000).await.unwrap();
    assert_eq!(page.next, None);
    page.deliveries
}

/// Whom deliveries are for, what about, and where they go: sorted.
pub(crate) fn targets(deliveries: &[Delivery]) -> Vec<(String, String, String)> {
    let target = |delivery: &Delivery| (delivery.session.to_string(), delivery.client.to_string(), delivery.url.to_string());
    let mut targets: Vec<_> = deliveries.iter().map(target).collect();
    targets.sort();
    targets
}

/// The same, as a test writes it.
pub(crate) fn expected(targets: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    targets.iter().map(|(session, client, url)| (session.to_string(), client.to_string(), url.to_string())).collect()
}

/// So many of the deliveries of each receiver that is due.
pub(crate) async fn claim(store: &dyn Store, at_most: usize, now: Timestamp, until: Timestamp) -> Vec<Claimed> {
    let due = store.due_receivers(now, 1_000).await.unwrap();
    let shares: Vec<_> =
        due.into_iter().map(|due| ReceiverShare { tenant: due.tenant, receiver: due.receiver, at_most }).collect();
    store.claim_deliveries(&shares, now, until).await.unwrap().claimed
}

/// How an attempt has ended, with a line of the log.
pub(crate) fn settled(claimed: &Claimed, result: AttemptResult, date: Timestamp) -> Settled {
    let kind = match result {
        AttemptResult::Delivered => LogKind::LogoutDelivered,
        _ => LogKind::LogoutFailed,
    };
    let mut body = Map::new();
    body.insert("delivery".into(), json!(claimed.delivery.id.to_string()));
    Settled {
        tenant: claimed.delivery.tenant.clone(),
        id: claimed.delivery.id,
        claim: claimed.claim,
        result,
        log: Some(NewLogEntry { kind, date, body }),
    }
}

pub(crate) async fn settle(store: &dyn Store, claimed: &Claimed, result: AttemptResult, now: Timestamp) -> bool {
    store.settle_deliveries(vec![settled(claimed, result, now)], now).await.unwrap()[0]
}

/// Makes one delivery refused or given up.
pub(crate) async fn finish(store: &dyn Store, claimed: &Claimed, state: DeliveryState, now: Timestamp) {
    let error = "no".to_owned();
    let result = match state {
        DeliveryState::Refused => AttemptResult::Refused { error },
        _ => AttemptResult::GivenUp { error },
    };
    assert!(settle(store, claimed, result, now).await);
}

/// The lines of the tenant `acme` of this kind.
pub(crate) async fn lines(store: &dyn Store, kind: LogKind) -> Vec<LogEntry> {
    log_of(store, "acme").await.into_iter().filter(|entry| entry.kind == kind).collect()
}
