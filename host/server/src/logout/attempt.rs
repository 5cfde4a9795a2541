//! What an attempt comes to: from what a receiver has said to what becomes of the delivery, and what the tenant's log says of it.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use thiserror::Error;
use vestibule::model::Timestamp;
use vestibule_sessions::{AttemptResult, Delivery, LogKind, NewLogEntry};

use super::lanes::Taken;
use crate::backoff::Backoff;
use crate::post::{Answer, PostError};

/// Attempts, at most: with the waits between them they take about half a day.
const ATTEMPTS: u32 = 20;
/// From seconds, for a receiver that starts anew, to an hour, for one that is down.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(3_600), longest_asked: Duration::from_secs(6 * 3_600) };

/// What an attempt has come to.
#[derive(Debug)]
pub(super) struct Attempted {
    pub(super) result: AttemptResult,
    pub(super) taken: Taken,
    status: Option<StatusCode>,
    /// Why it was not made.
    obstacle: Option<Obstacle>,
}

/// Why a server can't make an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Obstacle {
    #[error("the tenant is not in this server's configuration")]
    NoTenant,
    #[error("this server can't sign logout tokens")]
    NoSignature,
}

impl Attempted {
    /// After an answer, or none.
    pub(super) fn new(
        answered: Result<Answer, PostError>,
        delivery: &Delivery,
        give_up_after: Duration,
        now: Timestamp,
        chance: f64,
    ) -> Self {
        let (error, asked, status) = match answered {
            Ok(Answer { status, .. }) if status.is_success() => {
                return Self { result: AttemptResult::Delivered, taken: Taken::Answered, status: Some(status), obstacle: None };
            }
            // The application has looked at the token and refuses it: it would refuse the next one, too (section 2.8).
            Ok(Answer { status: status @ StatusCode::BAD_REQUEST, .. }) => {
                let result = AttemptResult::Refused { error: "it answers 400: it refuses the token".to_owned() };
                return Self { result, taken: Taken::Answered, status: Some(status), obstacle: None };
            }
            Ok(Answer { status, retry_after }) => (format!("it answers {}", status.as_u16()), retry_after, Some(status)),
            Err(error) => (error.to_string(), None, None),
        };
        let is_down = status.is_none_or(|status| status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS);
        let taken = if is_down { Taken::Failed(asked) } else { Taken::Answered };
        let due_at = BACKOFF.next(now, delivery.attempts, asked, chance);
        let is_over = delivery.attempts >= ATTEMPTS || due_at >= delivery.created_at.plus(give_up_after);
        let result = if is_over { AttemptResult::GivenUp { error } } else { AttemptResult::Retry { due_at, error } };
        Self { result, taken, status, obstacle: None }
    }

    /// Whether none is to be made any more: the delivery's time is over, and it was sent before. Servers that were down, or crashed between
    /// the claim and the attempt, have sent nothing: only as many claims as there may be attempts count as one.
    pub(super) fn is_too_late(delivery: &Delivery, give_up_after: Duration, now: Timestamp) -> bool {
        let was_tried = delivery.last_error.is_some() || delivery.attempts > ATTEMPTS;
        was_tried && delivery.created_at.plus(give_up_after) <= now
    }

    /// One that was not made: the delivery's time is over.
    pub(super) fn too_late(delivery: &Delivery) -> Self {
        let error = delivery.last_error.clone().unwrap_or_else(|| "nobody has come back from sending it".to_owned());
        Self { result: AttemptResult::GivenUp { error }, taken: Taken::Unsent, status: None, obstacle: None }
    }

    /// One that was not made, for this server can't: it is made later, perhaps by another.
    pub(super) fn not_possible(obstacle: Obstacle, now: Timestamp) -> Self {
        const WAIT: Duration = Duration::from_secs(60);
        let result = AttemptResult::Postponed { due_at: now.plus(WAIT) };
        Self { result, taken: Taken::Unsent, status: None, obstacle: Some(obstacle) }
    }

    /// What has become of it, in a word.
    pub(super) fn name(&self) -> &'static str {
        match &self.result {
            AttemptResult::Delivered => "delivered",
            AttemptResult::Retry { .. } | AttemptResult::Postponed { .. } => "retry",
            AttemptResult::Refused { .. } => "refused",
            AttemptResult::GivenUp { .. } => "given_up",
        }
    }

    /// What the tenant's log says of it. A URL may hold a secret: the log has its origin alone.
    pub(super) fn log(&self, delivery: &Delivery, now: Timestamp) -> NewLogEntry {
        let mut body = Map::new();
        let mut details = Map::new();
        for (name, value) in [
            ("client_id", delivery.client.as_str()),
            ("session_id", delivery.session.as_str()),
            ("user_id", delivery.user.as_str()),
        ] {
            body.insert(name.to_owned(), value.into());
        }
        let next = match &self.result {
            AttemptResult::Retry { due_at, .. } | AttemptResult::Postponed { due_at } => Some(due_at.to_string()),
            _ => None,
        };
        let error = match &self.result {
            AttemptResult::Delivered => None,
            AttemptResult::Postponed { .. } => self.obstacle.map(|obstacle| obstacle.to_string()),
            AttemptResult::Retry { error, .. } | AttemptResult::Refused { error } | AttemptResult::GivenUp { error } => {
                Some(error.clone())
            }
        };
        let kind = if error.is_none() { LogKind::LogoutDelivered } else { LogKind::LogoutFailed };
        body.extend(error.map(|error| ("description".to_owned(), error.into())));
        details.insert("logout_id".to_owned(), delivery.id.to_string().into());
        details.insert("initiator".to_owned(), delivery.initiator.as_str().into());
        details.insert("receiver".to_owned(), delivery.receiver.as_str().into());
        details.insert("attempt".to_owned(), delivery.attempts.into());
        details.insert("result".to_owned(), self.name().into());
        details.extend(self.status.map(|status| ("status".to_owned(), json!(status.as_u16()))));
        details.extend(next.map(|next| ("next_attempt_at".to_owned(), Value::from(next))));
        body.insert("details".to_owned(), Value::Object(details));
        NewLogEntry { kind, date: now, body }
    }
}
