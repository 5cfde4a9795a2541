//! A delivery's row, and what else is said of deliveries.

use vestibule_model::TenantId;

use super::{corrupt, from_json, initiator_of, millis, timestamp};
use crate::client::Receiver;
use crate::delivery::{AttemptResult, Delivery, DeliveryCursor, DeliveryState, DueReceiver};
use crate::error::StoreError;

/// The columns of a delivery, in the order in which they are selected and inserted.
macro_rules! delivery_columns {
    () => {
        "tenant, id, client_id, session_id, user_id, url, receiver, initiator, ended_at, metadata, created_at, attempts, due_at, \
         claim, last_error, state, finished_at"
    };
}
pub(crate) use delivery_columns;

const DELIVERY: &str = "a delivery";

/// Characters of an error that are kept.
const LONGEST_ERROR: usize = 500;

/// A delivery's row.
#[derive(Clone, Debug)]
pub(crate) struct DeliveryRow {
    pub(crate) tenant: String,
    pub(crate) id: String,
    pub(crate) client_id: String,
    pub(crate) session_id: String,
    pub(crate) user_id: String,
    pub(crate) url: String,
    pub(crate) receiver: String,
    pub(crate) initiator: String,
    pub(crate) ended_at: i64,
    pub(crate) metadata: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) attempts: i64,
    pub(crate) due_at: i64,
    pub(crate) claim: Option<String>,
    pub(crate) last_error: Option<String>,
    pub(crate) state: String,
    pub(crate) finished_at: Option<i64>,
}

impl DeliveryRow {
    /// Its place among the others.
    pub(crate) fn place(&self) -> (i64, &str, &str) {
        (self.created_at, &self.tenant, &self.id)
    }

    /// The same, for whoever goes on from there; none where it can't be read.
    pub(crate) fn cursor(&self) -> Option<DeliveryCursor> {
        let (created_at, tenant) = (timestamp(self.created_at).ok()?, self.tenant.parse().ok()?);
        Some(DeliveryCursor { created_at, tenant, id: self.id.parse().ok()? })
    }

    /// What the row holds.
    pub(crate) fn read(&self) -> Result<Delivery, StoreError> {
        Ok(Delivery {
            tenant: tenant_of(&self.tenant)?,
            id: self.id.parse().map_err(|_| corrupt(DELIVERY, "`id` is no delivery's id"))?,
            client: self.client_id.parse().map_err(|_| corrupt(DELIVERY, "`client_id` is no client's id"))?,
            session: self.session_id.parse().map_err(|_| corrupt(DELIVERY, "`session_id` is no session's id"))?,
            user: self.user_id.parse().map_err(|_| corrupt(DELIVERY, "`user_id` is no user's id"))?,
            url: self.url.parse().map_err(|_| corrupt(DELIVERY, "`url` is no URL"))?,
            receiver: Receiver::kept(&self.receiver),
            initiator: initiator_of(DELIVERY, &self.initiator)?,
            ended_at: timestamp(self.ended_at)?,
            metadata: self.metadata.as_deref().map(|metadata| from_json(DELIVERY, "metadata", metadata)).transpose()?,
            created_at: timestamp(self.created_at)?,
            attempts: u32::try_from(self.attempts).map_err(|_| corrupt(DELIVERY, "`attempts` is out of bounds"))?,
            due_at: timestamp(self.due_at)?,
            is_claimed: self.claim.is_some(),
            last_error: self.last_error.clone(),
            state: DeliveryState::ALL
                .into_iter()
                .find(|state| state.as_str() == self.state)
                .ok_or_else(|| corrupt(DELIVERY, "`state` is none that is known"))?,
            finished_at: self.finished_at.map(timestamp).transpose()?,
        })
    }
}

/// Somebody who has deliveries to come, from their columns.
pub(crate) fn due_receiver(tenant: &str, receiver: &str, oldest_due: i64) -> Result<DueReceiver, StoreError> {
    let receiver = Receiver::kept(receiver);
    Ok(DueReceiver { tenant: tenant_of(tenant)?, receiver, oldest_due: timestamp(oldest_due)? })
}

/// What a result makes of a row that stays: its state, and when it is due and its error where they
/// change. None where the row goes.
pub(crate) fn outcome(result: &AttemptResult) -> Option<(DeliveryState, Option<i64>, Option<String>)> {
    let finished = |state, error| Some((state, None, Some(error_text(error))));
    match result {
        AttemptResult::Delivered => None,
        AttemptResult::Retry { due_at, error } => Some((DeliveryState::Pending, Some(millis(*due_at)), Some(error_text(error)))),
        AttemptResult::Postponed { due_at } => Some((DeliveryState::Pending, Some(millis(*due_at)), None)),
        AttemptResult::Refused { error } => finished(DeliveryState::Refused, error),
        AttemptResult::GivenUp { error } => finished(DeliveryState::GivenUp, error),
    }
}

/// An error as it is kept. It may quote what a stranger's server has said: one line, not too long,
/// and without what no database takes.
pub(crate) fn error_text(error: &str) -> String {
    error.chars().take(LONGEST_ERROR).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn tenant_of(text: &str) -> Result<TenantId, StoreError> {
    text.parse().map_err(|_| corrupt(DELIVERY, "`tenant` is no tenant's id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_kept_as_one_line_that_is_not_too_long() {
        assert_eq!(error_text("503:\r\n\u{0}é"), "503:   é");
        assert_eq!(error_text(&"é".repeat(LONGEST_ERROR + 1)), "é".repeat(LONGEST_ERROR));
    }
}
