//! What an attempt comes to: from what a receiver has said to what becomes of the delivery, and
//! what the tenant's log says of it.

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
/// The first attempt at which an answer of 400 can be final: some four minutes after the first one.
const REFUSED_AT: u32 = 8;
/// What is kept of an attempt that was answered by 400.
const REFUSES: &str = "it answers 400: it refuses the token, or its logout failed";
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
    #[error("this server has failed while it sent the token; its own log says why")]
    Fault,
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
            Ok(Answer { status, .. }) if is_final(status, delivery) => {
                let error = error_of(status);
                let result = AttemptResult::Refused { error };
                return Self { result, taken: Taken::Answered, status: Some(status), obstacle: None };
            }
            Ok(Answer { status, retry_after }) => (error_of(status), retry_after, Some(status)),
            Err(error) => (error.to_string(), None, None),
        };
        let is_down = status.is_none_or(|status| status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS);
        let taken = if is_down { Taken::Failed(asked) } else { Taken::Answered };
        let due_at = BACKOFF.next(now, delivery.attempts, asked, chance);
        let is_over = delivery.attempts >= ATTEMPTS || due_at >= delivery.created_at.plus(give_up_after);
        let result = if is_over { AttemptResult::GivenUp { error } } else { AttemptResult::Retry { due_at, error } };
        Self { result, taken, status, obstacle: None }
    }

    /// Whether none is to be made any more: the delivery's time is over, and it was sent before.
    /// Servers that were down, or crashed between the claim and the attempt, have sent nothing:
    /// only as many claims as there may be attempts count as one.
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

/// Whether an answer ends a delivery.
///
/// 410 says that the URL is gone for good. 400 is what section 2.8 of the specification asks for
/// where the token is invalid *and* where the logout failed, so published receivers answer it when
/// their session store or the key set is away for a moment. It counts when it is repeated after
/// some minutes: a user who is to be logged out would stay logged in after a single blip.
fn is_final(status: StatusCode, delivery: &Delivery) -> bool {
    match status {
        StatusCode::GONE => true,
        StatusCode::BAD_REQUEST => delivery.attempts >= REFUSED_AT && delivery.last_error.as_deref() == Some(REFUSES),
        _ => false,
    }
}

fn error_of(status: StatusCode) -> String {
    match status {
        StatusCode::BAD_REQUEST => REFUSES.to_owned(),
        StatusCode::GONE => "it answers 410: its URL is gone".to_owned(),
        _ => format!("it answers {}", status.as_u16()),
    }
}

#[cfg(test)]
mod tests {
    use vestibule_sessions::{DeliveryId, DeliveryState, Initiator};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    fn delivery(attempts: u32, last_error: Option<&str>) -> Delivery {
        let url: vestibule_sessions::LogoutUrl = "https://shop.example/logout".parse().unwrap();
        Delivery {
            tenant: "acme".parse().unwrap(),
            id: DeliveryId::random().unwrap(),
            client: "shop".parse().unwrap(),
            session: "sess_1".parse().unwrap(),
            user: "auth0|1".parse().unwrap(),
            receiver: url.receiver(),
            url,
            initiator: Initiator::RpLogout,
            ended_at: NOW,
            metadata: None,
            created_at: NOW,
            attempts,
            due_at: NOW,
            is_claimed: true,
            last_error: last_error.map(ToOwned::to_owned),
            state: DeliveryState::Pending,
            finished_at: None,
        }
    }

    fn after(status: StatusCode, delivery: &Delivery) -> AttemptResult {
        let answer = Answer { status, retry_after: None };
        Attempted::new(Ok(answer), delivery, DAY, NOW, 0.5).result
    }

    #[test]
    fn a_single_400_is_tried_again() {
        for (attempts, before) in [(1, None), (REFUSED_AT, Some("it answers 503")), (REFUSED_AT - 1, Some(REFUSES))] {
            let result = after(StatusCode::BAD_REQUEST, &delivery(attempts, before));
            assert!(matches!(result, AttemptResult::Retry { .. }), "{attempts} {before:?}: {result:?}");
        }
    }

    #[test]
    fn a_repeated_400_is_final_after_minutes() {
        let result = after(StatusCode::BAD_REQUEST, &delivery(REFUSED_AT, Some(REFUSES)));
        assert_eq!(result, AttemptResult::Refused { error: REFUSES.to_owned() });
        let waited: u64 =
            (1..REFUSED_AT).map(|attempt| BACKOFF.next(NOW, attempt, None, 0.5).as_millis() - NOW.as_millis()).sum();
        assert!(waited > 120_000, "{waited} ms from the first attempt to the last one");
    }

    #[test]
    fn a_url_that_is_gone_is_final_at_once() {
        assert!(matches!(after(StatusCode::GONE, &delivery(1, None)), AttemptResult::Refused { .. }));
    }

    #[test]
    fn other_errors_of_a_client_are_tried_again() {
        for status in [401, 403, 404, 405, 408, 409, 422, 429] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(matches!(after(status, &delivery(9, Some(REFUSES))), AttemptResult::Retry { .. }), "{status}");
        }
    }
}
