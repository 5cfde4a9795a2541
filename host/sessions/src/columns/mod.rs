//! Rows as both databases keep them: plain numbers and texts, read back into types. Here are a
//! session's row and an entry's.
//!
//! Maps and lists are JSON in a text column: a row is written as a whole, so none of them is ever
//! half of one login and half of another.

mod action;
mod client;
mod delivery;
mod registry;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use vestibule_model::Timestamp;
use vestibule_model::event::CookieMode;

use crate::error::StoreError;
use crate::log::{LogEntry, LogKind, LogPosition};
use crate::merge::Kept;
use crate::session::{Ended, Initiator, Session, SessionClient};

pub(crate) use self::action::{ACTION_COLUMNS, ActionRow, action_columns};
pub(crate) use self::client::{ClientRow, client_columns, logout_settings};
pub(crate) use self::delivery::{DeliveryRow, delivery_columns, due_receiver, error_text, outcome};
pub(crate) use self::registry::{
    BindingRow, ExecutionRow, SecretRow, VersionRow, binding_columns, execution_columns, flow_binding, policy, refused, revision,
    secret_columns, secret_info, tenant_of, unbuilt, version_columns,
};

/// The columns of a session, in the order in which they are inserted.
macro_rules! session_columns {
    () => {
        "id, user_id, created_at, updated_at, authenticated_at, last_interacted_at, idle_expires_at, expires_at, \
         device, clients, methods, cookie, metadata, revision, actor, ended_at, initiator"
    };
}
pub(crate) use session_columns;

/// Whether a mark of `user_ends` has ended a session whose own row doesn't say so yet. One whose
/// time was over before the mark has ended by that.
macro_rules! is_marked {
    () => {
        "user_ends.tenant = sessions.tenant AND user_ends.user_id = sessions.user_id AND user_ends.mark > sessions.mark \
         AND (sessions.ends_at IS NULL OR sessions.ends_at > user_ends.ended_at)"
    };
}
pub(crate) use is_marked;

/// The same columns as every reader selects them: with the end that a mark has brought.
macro_rules! read_session_columns {
    () => {
        concat!(
            "sessions.id, sessions.user_id, sessions.created_at, sessions.updated_at, sessions.authenticated_at, \
             sessions.last_interacted_at, sessions.idle_expires_at, sessions.expires_at, sessions.device, sessions.clients, \
             sessions.methods, sessions.cookie, sessions.metadata, sessions.revision, sessions.actor, \
             coalesce(sessions.ended_at, (SELECT user_ends.ended_at FROM user_ends WHERE ",
            crate::columns::is_marked!(),
            " ORDER BY user_ends.mark LIMIT 1)), \
             coalesce(sessions.initiator, (SELECT user_ends.initiator FROM user_ends WHERE ",
            crate::columns::is_marked!(),
            " ORDER BY user_ends.mark LIMIT 1))"
        )
    };
}
pub(crate) use read_session_columns;

/// A session's row, without its tenant.
#[derive(Clone, Debug)]
pub(crate) struct SessionRow {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) authenticated_at: i64,
    pub(crate) last_interacted_at: i64,
    pub(crate) idle_expires_at: Option<i64>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) device: String,
    pub(crate) clients: String,
    pub(crate) methods: String,
    pub(crate) cookie: Option<String>,
    pub(crate) metadata: String,
    pub(crate) revision: i64,
    pub(crate) actor: Option<String>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) initiator: Option<String>,
}

impl SessionRow {
    /// The row of a session that is alive.
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            id: session.id.as_str().to_owned(),
            user_id: session.user.as_str().to_owned(),
            created_at: millis(session.created_at),
            updated_at: millis(session.updated_at),
            authenticated_at: millis(session.authenticated_at),
            last_interacted_at: millis(session.last_interacted_at),
            idle_expires_at: session.idle_expires_at.map(millis),
            expires_at: session.expires_at.map(millis),
            device: json(&session.device),
            clients: json(&session.clients),
            methods: json(&session.methods),
            cookie: session.cookie.map(|cookie| cookie_text(cookie).to_owned()),
            metadata: json(&session.metadata),
            revision: i64::try_from(session.revision).unwrap_or(i64::MAX),
            actor: session.actor.as_ref().map(json),
            ended_at: None,
            initiator: None,
        }
    }

    /// When the session ends, unless it is used before: what the sweep looks for.
    pub(crate) fn ends_at(&self) -> Option<i64> {
        [self.idle_expires_at, self.expires_at].into_iter().flatten().min()
    }

    /// What the row holds.
    pub(crate) fn read(&self) -> Result<Kept, StoreError> {
        let ended_then = match (self.ended_at, self.initiator.as_deref()) {
            (Some(at), Some(initiator)) => Some(ended(at, initiator)?),
            (None, None) => None,
            _ => return Err(corrupt(SESSION, "half of its end")),
        };
        let session = Session {
            id: self.id.parse().map_err(|_| corrupt(SESSION, "`id` is no session's id"))?,
            user: self.user_id.parse().map_err(|_| corrupt(SESSION, "`user_id` is no user's id"))?,
            created_at: timestamp(self.created_at)?,
            updated_at: timestamp(self.updated_at)?,
            authenticated_at: timestamp(self.authenticated_at)?,
            last_interacted_at: timestamp(self.last_interacted_at)?,
            idle_expires_at: self.idle_expires_at.map(timestamp).transpose()?,
            expires_at: self.expires_at.map(timestamp).transpose()?,
            device: from_json(SESSION, "device", &self.device)?,
            clients: from_json(SESSION, "clients", &self.clients)?,
            methods: from_json(SESSION, "methods", &self.methods)?,
            cookie: self.cookie.as_deref().map(cookie_of).transpose()?,
            metadata: from_json(SESSION, "metadata", &self.metadata)?,
            revision: u64::try_from(self.revision).map_err(|_| corrupt(SESSION, "`revision` is below nought"))?,
            actor: self.actor.as_deref().map(|actor| from_json(SESSION, "actor", actor)).transpose()?,
        };
        Ok(Kept { session, ended: ended_then })
    }
}

/// An entry of the log, from its columns.
pub(crate) fn log_entry(position: i64, kind: &str, date: i64, body: &str) -> Result<LogEntry, StoreError> {
    Ok(LogEntry {
        position: position_of(position)?,
        kind: LogKind::from_code(kind).ok_or_else(|| corrupt(ENTRY, "`kind` is none that is known"))?,
        date: timestamp(date)?,
        body: from_json(ENTRY, "body", body)?,
    })
}

/// Why a session has ended.
fn initiator_of(what: &'static str, text: &str) -> Result<Initiator, StoreError> {
    text.parse().map_err(|_| corrupt(what, "`initiator` is none that is known"))
}

/// An end, from its columns.
pub(crate) fn ended(at: i64, initiator: &str) -> Result<Ended, StoreError> {
    Ok(Ended { at: timestamp(at)?, initiator: initiator_of(SESSION, initiator)? })
}

/// The applications of a session that ends; none where they can't be read.
pub(crate) fn clients_of(text: &str) -> Option<Vec<SessionClient>> {
    serde_json::from_str(text).ok()
}

/// A time as it is kept: milliseconds since the Unix epoch.
pub(crate) fn millis(at: Timestamp) -> i64 {
    // The year 9999 is far below the largest.
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

/// A place in the log as it is kept. What lies beyond the last that there can be is the last.
pub(crate) fn position(at: LogPosition) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// A place in the log, as it was kept.
pub(crate) fn position_of(at: i64) -> Result<LogPosition, StoreError> {
    u64::try_from(at).map(LogPosition).map_err(|_| corrupt(ENTRY, "`position` is below nought"))
}

/// A number of rows as it is asked for.
pub(crate) fn rows(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A number of bytes, as a database compares it.
pub(crate) fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// An entry's body as it is kept.
pub(crate) fn body(entry: &Map<String, Value>) -> String {
    json(entry)
}

const SESSION: &str = "a session";
const ENTRY: &str = "a log entry";

/// A time, as it was kept.
pub(crate) fn timestamp(at: i64) -> Result<Timestamp, StoreError> {
    u64::try_from(at).map(Timestamp::from_millis).map_err(|_| corrupt("a time", "it lies before 1970"))
}

/// A map, a list or a text as it is kept.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    // Maps with text keys, lists and texts: none of them can fail. A row with an empty text would
    // be found out when it is read.
    serde_json::to_string(value).unwrap_or_default()
}

fn from_json<T: DeserializeOwned>(what: &'static str, column: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt {
        what,
        // The error's own text could quote what is kept.
        reason: format!("`{column}` is not as it was written, at its byte {}", error.column()),
    })
}

fn cookie_text(cookie: CookieMode) -> &'static str {
    match cookie {
        CookieMode::Persistent => "persistent",
        CookieMode::NonPersistent => "non-persistent",
    }
}

fn cookie_of(text: &str) -> Result<CookieMode, StoreError> {
    [CookieMode::Persistent, CookieMode::NonPersistent]
        .into_iter()
        .find(|cookie| cookie_text(*cookie) == text)
        .ok_or_else(|| corrupt(SESSION, "`cookie` is none that is known"))
}

/// A number that counts something, as it was kept.
fn count(what: &'static str, column: &str, kept: i64) -> Result<u64, StoreError> {
    u64::try_from(kept).map_err(|_| corrupt(what, &format!("`{column}` is below nought")))
}

fn corrupt(what: &'static str, reason: &str) -> StoreError {
    StoreError::Corrupt { what, reason: reason.to_owned() }
}
