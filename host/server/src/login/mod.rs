//! A login: what is kept of its session goes in, the tenant's Actions run, and what they asked for
//! is committed, all at once or not at all.

mod answers;
mod commit;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use vestibule::RunContext;
use vestibule::model::{Event, Outcome, Timestamp};
use vestibule_sessions::{Committed, Ended, ExecutionUid, KnownSession, NewTransaction, RequestDigest, TransactionId};

pub(crate) use self::answers::StoredAnswers;
use crate::app::App;
use crate::error::ApiError;
use crate::tenant::Tenant;

/// How often a login is run again whose session others have filled in the meantime.
const TRIES: usize = 3;

/// What a login has come to.
pub(crate) enum Answer {
    /// It has run now.
    Now {
        /// What it has come to.
        outcome: Box<Outcome>,
        /// The same, as it is sent.
        json: Arc<str>,
        /// Its execution's id; none where no Actions are bound.
        execution: Option<ExecutionUid>,
    },
    /// It was sent before. It is empty where the answer of then is not stored.
    Repeated(Arc<str>),
}

/// Runs a login, and commits what it has come to.
///
/// # Errors
/// When it can't be run or committed; nothing of it has happened then, unless the error says
/// otherwise.
pub(crate) async fn login(tenant: &Tenant, mut event: Event, app: &App, now: Timestamp) -> Result<Answer, ApiError> {
    let store = app.store();
    let id = &tenant.settings.id;
    if event.tenant.id != *id {
        return Err(ApiError::invalid_body("`event.tenant.id` names another tenant than the host that is called"));
    }
    let transaction = event.transaction.as_ref().and_then(|transaction| transaction.id.as_deref());
    let transaction = transaction.map(str::parse::<TransactionId>).transpose();
    let transaction = transaction.map_err(|error| ApiError::invalid_body(format!("`event.transaction.id`: {error}")))?;
    let session = event.session.as_ref().map(|session| session.id.clone());
    let request = RequestDigest::of(id, &event.user.id, session.as_ref(), &event.client.id);
    let before = store.before_login(id, transaction.as_ref(), session.as_ref(), now).await?;
    if let Some(kept) = &before.answer {
        if kept.request != request {
            return Err(transaction_mismatch());
        }
        return repeat(&kept.json, session.is_some(), &before.session);
    }
    app.storage().check(id)?;
    match before.session {
        KnownSession::Unknown => {}
        KnownSession::Ended(ended) => return Err(session_ended(ended)),
        KnownSession::Alive(kept) if kept.user != event.user.id => return Err(another_user()),
        KnownSession::Alive(kept) => commit::continue_with(&mut event, &kept),
    }
    // Taken once: what is deployed meanwhile is for logins that begin later.
    let running = tenant.running().ok_or_else(not_readable)?;
    let execution = if running.has_actions { Some(ExecutionUid::random()?) } else { None };
    let mut event = Arc::new(event);
    let context = RunContext { now, ..RunContext::live() };
    for _ in 0..TRIES {
        let outcome = app.runtime().run(&running.flow, Arc::clone(&event), &context).await?;
        let json = json(&outcome)?;
        let stored = transaction.clone().map(|id| {
            let answer = app.answers().stored(&tenant.settings.id, &outcome, &json, Instant::now());
            NewTransaction { id, request, answer }
        });
        let commit = commit::of(tenant, &event, &outcome, stored, execution.as_ref(), now);
        match store.commit_login(commit).await? {
            Committed::Done { .. } => return Ok(Answer::Now { outcome: Box::new(outcome), json, execution }),
            Committed::Repeated { answer } => {
                let after = store.before_login(id, None, session.as_ref(), now).await?;
                return repeat(&answer, session.is_some(), &after.session);
            }
            Committed::TransactionMismatch => return Err(transaction_mismatch()),
            Committed::SessionEnded(ended) => return Err(session_ended(ended)),
            Committed::AnotherUser => return Err(another_user()),
            // Others have written to this session since. The Actions are to see that, and to be
            // told which rule they break.
            Committed::Metadata(_) => {
                let Some(session) = &session else {
                    return Err(ApiError::internal(&"metadata was refused of a login without a session"));
                };
                match store.before_login(id, None, Some(session), now).await?.session {
                    KnownSession::Alive(kept) => commit::continue_with(Arc::make_mut(&mut event), &kept),
                    KnownSession::Ended(ended) => return Err(session_ended(ended)),
                    KnownSession::Unknown => {}
                }
            }
        }
    }
    Err(ApiError::conflict("session_contended", "too many logins write to this session at one time; send it again"))
}

/// A transaction's kept answer, where the login may still have it.
///
/// An `allow` issues tokens, so it stands only as long as its session: a session that has ended, or
/// whose row was swept, gets none. An answer that issues no tokens is repeated as it is: among
/// these are the logins that ended their session.
fn repeat(answer: &Arc<str>, has_session: bool, session: &KnownSession) -> Result<Answer, ApiError> {
    match session {
        KnownSession::Unknown if !has_session => {}
        KnownSession::Alive(_) => {}
        KnownSession::Ended(ended) if allows(answer) => return Err(session_ended(*ended)),
        KnownSession::Unknown if allows(answer) => return Err(session_forgotten()),
        KnownSession::Unknown | KnownSession::Ended(_) => {}
    }
    Ok(Answer::Repeated(Arc::clone(answer)))
}

/// Whether an answer issues tokens. One that can't be read is taken for one that does.
fn allows(answer: &str) -> bool {
    #[derive(Deserialize)]
    struct Kept<'a> {
        #[serde(borrow)]
        decision: Cow<'a, str>,
    }
    serde_json::from_str::<Kept<'_>>(answer).map_or(true, |kept| !matches!(&*kept.decision, "deny" | "failed"))
}

fn transaction_mismatch() -> ApiError {
    ApiError::conflict(
        "transaction_mismatch",
        "this `event.transaction.id` was sent with another user, session or client; use a new id for each login",
    )
}

fn session_forgotten() -> ApiError {
    ApiError::conflict("session_ended", "the session of this transaction has ended; begin a new one, with a new id")
}

fn not_readable() -> ApiError {
    let message = "the tenant's Actions can't be read now, and no login goes on without them; the server's log says why";
    ApiError::unavailable("actions_unavailable", message, std::time::Duration::from_secs(1))
}

fn session_ended(ended: Ended) -> ApiError {
    let why = ended.initiator.as_str();
    ApiError::conflict(
        "session_ended",
        format!("the session has ended ({why}) and does not come back; begin a new one, with a new id"),
    )
}

fn another_user() -> ApiError {
    ApiError::conflict("session_of_another_user", "the session belongs to another user; begin a new one, with a new id")
}

fn json(outcome: &Outcome) -> Result<Arc<str>, ApiError> {
    let written = serde_json::to_string(outcome);
    written.map(Arc::from).map_err(|error| ApiError::internal(&format_args!("an outcome can't be written as JSON: {error}")))
}
