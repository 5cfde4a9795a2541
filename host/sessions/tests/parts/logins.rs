//! Short ways to say what the tests ask of a store.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, json};
use vestibule_model::event::CookieMode;
use vestibule_model::{Metadata, SessionId, TenantId, Timestamp, UserId};
use vestibule_sessions::{
    Committed, KnownSession, LogEntry, LogKind, LogPosition, LoginCommit, MetadataChanges, Method, NewLogEntry, NewTransaction,
    RequestDigest, Retention, Session, SessionChange, SessionLogin, Store, TransactionId, UsedSession,
};

/// Some moment, and so many milliseconds later.
pub(crate) fn at(milliseconds: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + milliseconds)
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(crate) fn id(name: &str) -> SessionId {
    name.parse().unwrap()
}

pub(crate) fn transaction(name: &str) -> TransactionId {
    name.parse().unwrap()
}

pub(crate) fn metadata(entries: &[(&str, &str)]) -> Metadata {
    let mut metadata = Metadata::default();
    for (key, value) in entries {
        metadata.set(key.parse().unwrap(), value).unwrap();
    }
    metadata
}

/// Entries set, and (none) removed.
pub(crate) fn changes(entries: &[(&str, Option<&str>)]) -> MetadataChanges {
    let entries: BTreeMap<_, _> = entries.iter().map(|(key, value)| (key.parse().unwrap(), value.map(Arc::from))).collect();
    MetadataChanges { evicted: false, entries }
}

pub(crate) fn entries(metadata: &Metadata) -> Vec<(&str, &str)> {
    metadata.iter().map(|(key, value)| (key.as_str(), value)).collect()
}

/// What a login says of its session, where a test has nothing to say about it.
pub(crate) fn used(client: &str) -> UsedSession {
    UsedSession {
        created_at: at(0),
        authenticated_at: at(0),
        client_id: client.into(),
        clients: Vec::new(),
        user_agent: Some("Firefox".into()),
        ip: Some("203.0.113.7".into()),
        asn: Some("64496".into()),
        methods: vec![Method { name: "pwd".into(), timestamp: at(0), kind: None }],
        metadata: Metadata::default(),
        actor: None,
    }
}

pub(crate) fn session_login(session: &str, of: &str, change: SessionChange) -> SessionLogin {
    SessionLogin {
        id: id(session),
        user: user(of),
        change,
        metadata: MetadataChanges::default(),
        expires_at: None,
        idle_expires_at: None,
        cookie: Some(CookieMode::NonPersistent),
    }
}

/// A transaction with this answer, of the user `anna` in the session `s1` by the client `shop`; any
/// login may have it.
pub(crate) fn answered(id: TransactionId, answer: Arc<str>) -> NewTransaction {
    NewTransaction { id, request: request("anna", Some("s1"), "shop"), answer }
}

/// What a transaction of the tenant `acme` is bound to.
pub(crate) fn request(of: &str, session: Option<&str>, client: &str) -> RequestDigest {
    RequestDigest::of(&tenant("acme"), &user(of), session.map(id).as_ref(), client)
}

/// A login that uses this session, to be changed by a test.
pub(crate) fn uses(of_tenant: &str, session: &str, of: &str, now: Timestamp) -> LoginCommit {
    LoginCommit {
        tenant: tenant(of_tenant),
        now,
        transaction: None,
        session: Some(session_login(session, of, SessionChange::Use(Box::new(used("shop"))))),
        log: Vec::new(),
    }
}

/// A login that does this to the session of the tenant `acme` and its user `anna`, at this moment.
pub(crate) fn does(session: &str, change: SessionChange, now: Timestamp) -> LoginCommit {
    LoginCommit {
        tenant: tenant("acme"),
        now,
        transaction: None,
        session: Some(SessionLogin { cookie: None, ..session_login(session, "anna", change) }),
        log: Vec::new(),
    }
}

/// A login of the tenant `acme` and its user `anna` that uses this session.
pub(crate) fn login(session: &str, now: Timestamp) -> LoginCommit {
    uses("acme", session, "anna", now)
}

/// A login without a session, which writes this to the log.
pub(crate) fn logs(of: &str, description: &str, date: Timestamp) -> LoginCommit {
    LoginCommit { tenant: tenant(of), now: date, transaction: None, session: None, log: vec![entry(description, date)] }
}

pub(crate) fn entry(description: &str, date: Timestamp) -> NewLogEntry {
    let mut body = Map::new();
    body.insert("description".into(), json!(description));
    body.insert("details".into(), json!({ "ip": "203.0.113.7", "odd": "\u{0}é🦀" }));
    NewLogEntry { kind: LogKind::SuccessfulLogin, date, body }
}

pub(crate) fn described(entries: &[LogEntry]) -> Vec<&str> {
    entries.iter().filter_map(|entry| entry.body.get("description")?.as_str()).collect()
}

pub(crate) async fn log_of(store: &dyn Store, of: &str) -> Vec<LogEntry> {
    store.log_after(&tenant(of), LogPosition::default(), 1_000).await.unwrap()
}

/// Commits a login that has to succeed.
pub(crate) async fn commit(store: &dyn Store, login: LoginCommit) -> Option<Session> {
    match store.commit_login(login).await.unwrap() {
        Committed::Done { session } => session.map(|session| *session),
        other => panic!("the login should have been committed: {other:?}"),
    }
}

pub(crate) async fn find(store: &dyn Store, session: &str, now: Timestamp) -> Option<Session> {
    store.session(&tenant("acme"), &id(session), now).await.unwrap()
}

pub(crate) async fn known(store: &dyn Store, session: &str, now: Timestamp) -> KnownSession {
    store.before_login(&tenant("acme"), None, Some(&id(session)), now).await.unwrap().session
}

/// Keeps all there is.
pub(crate) fn keep_all() -> Retention {
    let since = Timestamp::from_millis(0);
    Retention { ended_since: since, transactions_since: since, log_since: since, deliveries_since: since }
}
