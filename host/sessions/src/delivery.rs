//! Deliveries: what the end of a session owes to an application's URL, and how it goes to it. When
//! to try again, and when to give up, is said by whoever sends.

use vestibule_model::{Metadata, SessionId, TenantId, Timestamp, UserId};

use crate::client::{LogoutUrl, Receiver};
use crate::columns::DeliveryRow;
use crate::ids::ClientId;
use crate::log::NewLogEntry;
use crate::session::Initiator;
use crate::tokens::{Claim, DeliveryId};

/// That a session has ended, for one URL of one application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Whose.
    pub tenant: TenantId,
    /// Which: the same over all attempts.
    pub id: DeliveryId,
    /// The application that is told.
    pub client: ClientId,
    /// The session that has ended.
    pub session: SessionId,
    /// Whose session it was.
    pub user: UserId,
    /// Where it goes.
    pub url: LogoutUrl,
    /// Who is behind the URL.
    pub receiver: Receiver,
    /// Why the session has ended.
    pub initiator: Initiator,
    /// When the session has ended.
    pub ended_at: Timestamp,
    /// The session's metadata as it was at its end; none where the client's settings did not ask
    /// for it.
    pub metadata: Option<Metadata>,
    /// When it was written: with the end of the session.
    pub created_at: Timestamp,
    /// How often it was claimed, without what was given back unsent.
    pub attempts: u32,
    /// When it is to be sent. While it is claimed, the end of the lease.
    pub due_at: Timestamp,
    /// Whether somebody has it in hand, or has not come back with it.
    pub is_claimed: bool,
    /// What was wrong with the last attempt that somebody has come back from; none where nobody
    /// has.
    pub last_error: Option<String>,
    /// What is to become of it.
    pub state: DeliveryState,
    /// When it was refused or given up.
    pub finished_at: Option<Timestamp>,
}

/// What is to become of a delivery. One that has arrived is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be sent.
    Pending,
    /// The application did not want it.
    Refused,
    /// It was tried for long enough.
    GivenUp,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Refused, Self::GivenUp];

    /// As it is kept.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Refused => "refused",
            Self::GivenUp => "given_up",
        }
    }
}

/// Somebody who has deliveries to come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueReceiver {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Who.
    pub receiver: Receiver,
    /// Since when the first of them is due.
    pub oldest_due: Timestamp,
}

/// How many deliveries of one receiver are to be claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverShare {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Who.
    pub receiver: Receiver,
    /// So many at most.
    pub at_most: usize,
}

/// A delivery that is the caller's to send until its `due_at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// What is to be sent; its `attempts` counts this one.
    pub delivery: Delivery,
    /// To be shown when it is settled.
    pub claim: Claim,
}

/// What has become of deliveries that were due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The caller's.
    pub claimed: Vec<Claimed>,
    /// How many others nobody has to send any more: they were dropped, or given up. Behind them
    /// more may be due.
    pub set_aside: usize,
}

/// A delivery that somebody has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// Which.
    pub id: DeliveryId,
    /// That it is the caller's.
    pub claim: Claim,
}

/// How an attempt has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub id: DeliveryId,
    /// That it is the caller's.
    pub claim: Claim,
    /// What becomes of it.
    pub result: AttemptResult,
    /// What the tenant's log says of it.
    pub log: Option<NewLogEntry>,
}

/// What becomes of a delivery after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// It has arrived, and is forgotten.
    Delivered,
    /// It is tried again.
    Retry {
        /// When.
        due_at: Timestamp,
        /// What was wrong.
        error: String,
    },
    /// It was not made, and is tried then. What was wrong with the one before stays.
    Postponed {
        /// When.
        due_at: Timestamp,
    },
    /// The application does not want it. It is kept for operators to look at.
    Refused {
        /// What was said.
        error: String,
    },
    /// It was tried for long enough. It is kept for operators to look at.
    GivenUp {
        /// What was wrong the last time.
        error: String,
    },
}

/// Where a page of deliveries has ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeliveryCursor {
    /// When the last one was written.
    pub created_at: Timestamp,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its id.
    pub id: DeliveryId,
}

/// A delivery whose row can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Whose, as it stands there.
    pub tenant: String,
    /// Which, as it stands there.
    pub id: String,
    /// What is wrong with it.
    pub error: String,
}

/// Some of the deliveries.
#[derive(Clone, Debug, Default)]
pub struct DeliveryPage {
    /// The oldest first.
    pub deliveries: Vec<Delivery>,
    /// Those among them that can't be read.
    pub unreadable: Vec<Unreadable>,
    /// Where the next page begins; none where this is the last.
    pub next: Option<DeliveryCursor>,
}

impl DeliveryPage {
    /// So many of what was found, in any order; one more than that says that there is another page.
    pub(crate) fn of(mut rows: Vec<DeliveryRow>, take: usize) -> Self {
        rows.sort_by(|one, other| one.place().cmp(&other.place()));
        let is_more = rows.len() > take;
        rows.truncate(take);
        // A row without a place that can be read comes again on the next page.
        let next = rows.iter().rev().find_map(DeliveryRow::cursor).filter(|_| is_more);
        let mut page = Self { next, ..Self::default() };
        for row in rows {
            match row.read() {
                Ok(delivery) => page.deliveries.push(delivery),
                Err(error) => page.unreadable.push(Unreadable { tenant: row.tenant, id: row.id, error: error.to_string() }),
            }
        }
        page
    }
}

/// What waits to be sent, of all tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Deliveries that are pending: [`Backlog::MOST`] says that there are so many or more.
    pub pending: u64,
    /// When the oldest of them was written.
    pub oldest: Option<Timestamp>,
}

impl Backlog {
    /// Nobody counts further: somebody asks every few seconds, and a count reads each row's entry
    /// in an index.
    pub const MOST: u64 = 100_000;
}
