//! From an outcome to what is committed.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use vestibule::model::event::{Session as EventSession, SessionTimes};
use vestibule::model::outcome::Decision;
use vestibule::model::{Event, Outcome, Timestamp};
use vestibule_sessions::{
    ExecutionUid, Initiator, LogKind, LoginCommit, MetadataChanges, Method, NewLogEntry, NewTransaction, Session, SessionChange,
    SessionLogin, UsedSession,
};

use crate::tenant::Tenant;

/// Bytes that are stored of a text of the event, in the session and in the log. A browser's name
/// has 100 to 300, an id 255 at most: so one that was cut is no other's.
const STORED_TEXT: usize = 512;
/// Bytes that the log has of the reason of a denial.
const STORED_REASON: usize = 4_096;
/// Applications of the event that are stored with a session which isn't kept yet. The platform has
/// seen it before only where Vestibule is new beside it, or has forgotten it; so it has as a rule
/// the one application that logs in now, and some 20 where a user has used all that an organization
/// has. Those that log in later are added, up to [`vestibule_sessions::SESSION_CLIENTS`].
const NEW_SESSION_CLIENTS: usize = 32;
/// Ways in which a user has proved who they are that are stored with a session.
const STORED_METHODS: usize = 32;

/// What is stored of a text of the event.
fn stored(text: &str) -> &str {
    &text[..text.floor_char_boundary(STORED_TEXT)]
}

/// What is kept of a session takes the place of what the platform says of it.
pub(super) fn continue_with(event: &mut Event, kept: &Session) {
    let Some(session) = &mut event.session else { return };
    session.metadata = kept.metadata.clone();
    session.set_times(SessionTimes {
        created_at: Some(kept.created_at),
        updated_at: Some(kept.updated_at),
        authenticated_at: Some(kept.authenticated_at),
        last_interacted_at: Some(kept.last_interacted_at),
        idle_expires_at: kept.idle_expires_at,
        expires_at: kept.expires_at,
    });
    session.set_clients(kept.clients.iter().map(|client| client.client_id.clone()));
}

/// What is stored of the reason of a denial, which an Action writes.
fn stored_reason(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(STORED_REASON)]
}

/// All that a login commits.
pub(super) fn of(
    tenant: &Tenant,
    event: &Event,
    outcome: &Outcome,
    transaction: Option<NewTransaction>,
    execution: Option<&ExecutionUid>,
    now: Timestamp,
) -> LoginCommit {
    let session = event.session.as_ref().and_then(|session| of_session(tenant, event, session, outcome, now));
    LoginCommit {
        tenant: tenant.settings.id.clone(),
        now,
        transaction,
        session,
        log: vec![log_entry(tenant, event, outcome, execution, now)],
    }
}

fn of_session(tenant: &Tenant, event: &Event, session: &EventSession, outcome: &Outcome, now: Timestamp) -> Option<SessionLogin> {
    let asked = &outcome.session;
    let change = match &outcome.decision {
        Decision::Failed { .. } => return None,
        _ if asked.revoked.is_some() => SessionChange::End(Initiator::SessionRevoked),
        Decision::Deny { .. } => SessionChange::Keep,
        Decision::Allow => SessionChange::Use(Box::new(used(event, session, now))),
    };
    let times = session.times();
    let created = times.created_at.unwrap_or(now);
    let after = |from: Timestamp, lifetime: u64| Timestamp::from_millis(from.as_millis().saturating_add(lifetime));
    // The earliest of what the tenant, the platform and the Actions say.
    let is_used = matches!(change, SessionChange::Use(_));
    let most = |of_tenant: Timestamp, of_platform: Option<Timestamp>, of_actions: Option<Timestamp>| {
        let of_use = is_used.then(|| of_platform.map_or(of_tenant, |platform| platform.min(of_tenant)));
        [of_use, of_actions].into_iter().flatten().min()
    };
    Some(SessionLogin {
        id: session.id.clone(),
        user: event.user.id.clone(),
        change,
        metadata: MetadataChanges {
            evicted: asked.metadata_evicted,
            entries: asked.metadata_changes.iter().map(|(key, change)| (key.clone(), change.value.clone())).collect(),
        },
        expires_at: most(after(created, tenant.settings.session_lifetime.as_millis()), times.expires_at, asked.expires_at),
        idle_expires_at: most(after(now, tenant.settings.idle_lifetime.as_millis()), None, asked.idle_expires_at),
        cookie: asked.cookie_mode.or(session.cookie()),
    })
}

fn used(event: &Event, session: &EventSession, now: Timestamp) -> UsedSession {
    let times = session.times();
    UsedSession {
        created_at: times.created_at.unwrap_or(now),
        authenticated_at: times.authenticated_at.unwrap_or(now),
        client_id: stored(&event.client.id).to_owned(),
        clients: session.clients().take(NEW_SESSION_CLIENTS).map(|client| stored(client).to_owned()).collect(),
        user_agent: event.request.user_agent.as_deref().map(|text| stored(text).to_owned()),
        ip: Some(stored(&event.request.ip).to_owned()),
        asn: event.request.asn.as_deref().map(|text| stored(text).to_owned()),
        methods: event
            .authentication
            .methods
            .iter()
            .take(STORED_METHODS)
            .map(|method| Method {
                name: stored(&method.name).to_owned(),
                timestamp: method.timestamp,
                kind: method.kind.as_deref().map(|kind| stored(kind).to_owned()),
            })
            .collect(),
        metadata: session.metadata.clone(),
        actor: None,
    }
}

/// What the tenant's log says of a login: who, where from, to which application, and how it ended.
/// No e-mail address and no name.
fn log_entry(tenant: &Tenant, event: &Event, outcome: &Outcome, execution: Option<&ExecutionUid>, now: Timestamp) -> NewLogEntry {
    let mut body: BTreeMap<&str, Value> = BTreeMap::new();
    body.insert("client_id", stored(&event.client.id).into());
    body.insert("client_name", stored(&event.client.name).into());
    body.insert("user_id", event.user.id.as_str().into());
    body.insert("connection", stored(&event.connection.name).into());
    body.insert("strategy", stored(&event.connection.strategy).into());
    body.insert("ip", stored(&event.request.ip).into());
    for (name, value) in [("user_agent", &event.request.user_agent), ("hostname", &event.request.hostname)] {
        body.extend(value.as_deref().map(|value| (name, stored(value).into())));
    }
    let session = event.session.as_ref();
    body.extend(session.map(|session| ("session_id", session.id.as_str().into())));
    body.extend(event.organization.as_ref().map(|organization| ("organization_id", stored(&organization.id).into())));
    let mut details = Map::new();
    if let Some(id) = event.transaction.as_ref().and_then(|transaction| transaction.id.as_deref()) {
        details.insert("transaction_id".to_owned(), id.into());
    }
    details.extend(execution.map(|id| ("execution_id".to_owned(), id.to_string().into())));
    let kind = match &outcome.decision {
        Decision::Allow => LogKind::SuccessfulLogin,
        Decision::Deny { reason, action } => {
            body.insert("description", stored_reason(reason).into());
            details.insert("action".to_owned(), action.to_string().into());
            LogKind::FailedLogin
        }
        Decision::Failed { error, action } => {
            body.insert("description", error.to_string().into());
            details.insert("action".to_owned(), action.to_string().into());
            LogKind::FailedLogin
        }
    };
    if tenant.settings.log.include_session_metadata && session.is_some() {
        body.insert("session_metadata", json!(outcome.session.metadata));
    }
    if !details.is_empty() {
        body.insert("details", Value::Object(details));
    }
    NewLogEntry { kind, date: now, body: body.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_text_is_cut_between_two_characters() {
        assert_eq!(stored("Firefox"), "Firefox");
        assert_eq!(stored(&"a".repeat(900_000)).len(), STORED_TEXT);
        let crabs = format!("a{}", "\u{1F980}".repeat(1_000));
        assert_eq!(stored(&crabs).len(), STORED_TEXT - 3);
        assert_eq!(stored_reason(&"a".repeat(STORED_REASON + 1)).len(), STORED_REASON);
    }
}
