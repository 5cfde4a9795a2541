//! What the end of a session owes: one delivery for each URL of each application that wants to hear
//! of it, and a line of the tenant's log. The rules, once for both databases. Nothing here reads or
//! writes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;
use vestibule_model::Timestamp;

use crate::client::{LogoutSettings, LogoutUrl};
use crate::columns::{self, ClientRow, DeliveryRow};
use crate::error::StoreError;
use crate::log::LogKind;
use crate::session::{Ended, Initiator, Session, SessionClient};
use crate::tokens::DeliveryId;

/// A session that ends in this transaction, as far as others have to hear of it.
#[derive(Debug)]
pub(crate) struct EndedSession {
    pub(crate) tenant: String,
    pub(crate) id: String,
    pub(crate) user_id: String,
    /// None where the row can't be read: the session ends all the same.
    pub(crate) clients: Option<Vec<SessionClient>>,
    pub(crate) metadata: String,
    pub(crate) ended_at: i64,
    pub(crate) initiator: Initiator,
}

impl EndedSession {
    /// One that was read as a whole.
    pub(crate) fn of(tenant: &str, session: &Session, ended: Ended) -> Self {
        Self {
            tenant: tenant.to_owned(),
            id: session.id.as_str().to_owned(),
            user_id: session.user.as_str().to_owned(),
            clients: Some(session.clients.clone()),
            metadata: columns::json(&session.metadata),
            ended_at: columns::millis(ended.at),
            initiator: ended.initiator,
        }
    }

    /// The applications that took part.
    pub(crate) fn client_ids(&self) -> impl Iterator<Item = &str> {
        self.clients.iter().flatten().map(|client| client.client_id.as_str())
    }
}

/// What a client that has settings wants to hear.
#[derive(Debug)]
pub(crate) enum Subscription {
    Settings(LogoutSettings),
    /// Nobody knows.
    Unreadable,
}

impl Subscription {
    /// From the column.
    pub(crate) fn read(logout: &str) -> Self {
        columns::logout_settings(logout).map_or(Self::Unreadable, Self::Settings)
    }

    /// Whether something may still be sent there. Where nobody knows, once more is better than
    /// never.
    pub(crate) fn may_send_to(&self, url: &str) -> bool {
        match self {
            Self::Settings(settings) => settings.urls.iter().any(|wanted| wanted.as_str() == url),
            Self::Unreadable => true,
        }
    }
}

/// What clients want to hear, by tenant and id. A client that wants nothing, or isn't there, is
/// none.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    of_clients: BTreeMap<(String, String), Option<Subscription>>,
    /// Tenants for which too much is stored: nothing more is owed for them.
    full: BTreeSet<String>,
}

impl Subscriptions {
    /// Whether this client was looked up.
    pub(crate) fn has(&self, tenant: &str, client: &str) -> bool {
        self.of_clients.contains_key(&(tenant.to_owned(), client.to_owned()))
    }

    /// Takes what was found.
    pub(crate) fn add(&mut self, tenant: &str, client: &str, logout: Option<&str>) {
        self.of_clients.insert((tenant.to_owned(), client.to_owned()), logout.map(Subscription::read));
    }

    /// Nothing more is owed for this tenant.
    pub(crate) fn add_full(&mut self, tenant: &str) {
        self.full.insert(tenant.to_owned());
    }

    fn of(&self, tenant: &str, client: &str) -> Option<&Subscription> {
        self.of_clients.get(&(tenant.to_owned(), client.to_owned()))?.as_ref()
    }
}

/// A line of a tenant's log, as it is kept.
#[derive(Debug)]
pub(crate) struct LogRow {
    pub(crate) tenant: String,
    pub(crate) date: i64,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
}

/// What is to be written beside the ends.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    pub(crate) deliveries: Vec<DeliveryRow>,
    pub(crate) log: Vec<LogRow>,
}

/// What these sessions' ends owe.
pub(crate) fn owed(ended: &[EndedSession], subscriptions: &Subscriptions, now: i64) -> Result<Owed, StoreError> {
    let mut owed = Owed::default();
    for session in ended {
        let before = owed.deliveries.len();
        let is_full = subscriptions.full.contains(&session.tenant);
        let mut is_unreadable = session.clients.is_none();
        for client in session.client_ids().filter(|_| !is_full) {
            match subscriptions.of(&session.tenant, client) {
                Some(Subscription::Settings(settings)) if settings.initiators.contains(session.initiator) => {
                    for url in settings.each_url() {
                        owed.deliveries.push(delivery(session, client, url, settings.include_session_metadata, now)?);
                    }
                }
                Some(Subscription::Settings(_)) | None => {}
                Some(Subscription::Unreadable) => is_unreadable = true,
            }
        }
        let untold = match (is_full, is_unreadable) {
            (true, _) => Some("too much is stored for the tenant, and its applications are not told"),
            (false, true) => Some("what its applications want to hear can't be read from the database"),
            (false, false) => None,
        };
        owed.log.push(line(session, owed.deliveries.len() - before, untold, now));
    }
    Ok(owed)
}

fn delivery(
    session: &EndedSession,
    client: &str,
    url: &LogoutUrl,
    with_metadata: bool,
    now: i64,
) -> Result<DeliveryRow, StoreError> {
    Ok(DeliveryRow {
        tenant: session.tenant.clone(),
        id: DeliveryId::random()?.to_string(),
        client_id: client.to_owned(),
        session_id: session.id.clone(),
        user_id: session.user_id.clone(),
        url: url.as_str().to_owned(),
        receiver: url.receiver().as_str().to_owned(),
        initiator: session.initiator.as_str().to_owned(),
        ended_at: session.ended_at,
        metadata: with_metadata.then(|| session.metadata.clone()),
        created_at: now,
        attempts: 0,
        due_at: now,
        claim: None,
        last_error: None,
        state: crate::DeliveryState::Pending.as_str().to_owned(),
        finished_at: None,
    })
}

/// It is dated by when it is written: an end that is found long after the session's time was over
/// is as new to whoever reads the log as any.
fn line(session: &EndedSession, deliveries: usize, untold: Option<&str>, now: i64) -> LogRow {
    let mut details = Map::new();
    details.insert("initiator".into(), json!(session.initiator));
    details.insert("deliveries".into(), json!(deliveries));
    details.insert("ended_at".into(), json!(Timestamp::from_millis(session.ended_at.unsigned_abs()).to_string()));
    details.extend(untold.map(|why| ("error".to_owned(), json!(why))));
    let mut body = Map::new();
    body.insert("session_id".into(), json!(session.id));
    body.insert("user_id".into(), json!(session.user_id));
    body.insert("details".into(), Value::Object(details));
    LogRow { tenant: session.tenant.clone(), date: now, kind: LogKind::Logout.as_str(), body: columns::body(&body) }
}

/// What the log says of a delivery that is given up because it can't be read: what an attempt's
/// line says, as far as it is known.
pub(crate) fn unreadable(row: &DeliveryRow, error: &str, now: i64) -> LogRow {
    let details = json!({
        "logout_id": row.id,
        "initiator": row.initiator,
        "receiver": row.receiver,
        "attempt": row.attempts,
        "result": crate::DeliveryState::GivenUp.as_str(),
    });
    let mut body = Map::new();
    body.insert("client_id".into(), json!(row.client_id));
    body.insert("session_id".into(), json!(row.session_id));
    body.insert("user_id".into(), json!(row.user_id));
    body.insert("description".into(), json!(error));
    body.insert("details".into(), details);
    LogRow { tenant: row.tenant.clone(), date: now, kind: LogKind::LogoutFailed.as_str(), body: columns::body(&body) }
}

/// Sessions that are looked at for one transaction that ends some, at most.
pub(crate) const ENDS_AT_ONCE: usize = 500;

/// Bytes of the `clients` columns of sessions that end in one transaction. A client has 17 at least
/// and five URLs at most, so these are some 1,200 deliveries, which take 60 ms; as a rule they are
/// a hundred sessions of one client each.
const CLIENT_BYTES: i64 = 4_096;

/// How many sessions end in one transaction, of those whose `clients` columns have these lengths:
/// one at least, where there is one.
pub(crate) fn in_one_transaction(lengths: impl IntoIterator<Item = i64>) -> usize {
    let mut bytes = 0_i64;
    let fits = |length: &i64| {
        let is_first = bytes == 0;
        bytes = bytes.saturating_add((*length).max(1));
        is_first || bytes <= CLIENT_BYTES
    };
    lengths.into_iter().take_while(fits).count()
}

/// A URL that a client hears at no longer. What is pending for it is dropped when the client's
/// change is on disk, for as long as the client is as it was left: what comes after another change
/// is none of this one's.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    pub(crate) client: String,
    /// The column with its settings; none where it has none, or is gone.
    pub(crate) settings: Option<String>,
    pub(crate) url: LogoutUrl,
}

impl Lost {
    /// Deliveries that are dropped in one transaction, at most: some 50 ms, in which others wait.
    pub(crate) const AT_ONE_TIME: usize = 2_000;

    /// Time that such a transaction should have: with less left of a call, none is begun that would
    /// be broken off.
    const TIME: Duration = Duration::from_millis(500);

    /// Whether a call has time for one more transaction.
    pub(crate) fn is_time_left(deadline: Instant) -> bool {
        deadline.saturating_duration_since(Instant::now()) >= Self::TIME
    }
}

/// The URLs that a client hears at no longer.
pub(crate) fn lost(before: &ClientRow, after: Option<&ClientRow>) -> Vec<Lost> {
    let (heard, hears) = (before.settings(), after.and_then(ClientRow::settings));
    let kept = hears.as_ref().map(LogoutSettings::each_url).unwrap_or_default();
    let lost: BTreeSet<&LogoutUrl> = heard.as_ref().map(LogoutSettings::each_url).unwrap_or_default();
    let settings = after.and_then(|after| after.logout.clone());
    let lost = lost.difference(&kept);
    lost.map(|url| Lost { client: before.id.clone(), settings: settings.clone(), url: (*url).clone() }).collect()
}
