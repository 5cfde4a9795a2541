//! The model of a store: a map in memory, and what happens to it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use vestibule_model::{SessionId, TenantId, UserId};
use vestibule_sessions::Initiator;

use crate::parts::logins::*;

/// Sessions of a user whose ends are written at once.
pub(super) const AT_ONCE: usize = 1;

/// One thing that happens. Small numbers are names: there are few of each, so that they meet.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Login {
        tenant: u8,
        session: u8,
        user: u8,
        client: u8,
        kind: u8,
        transaction: Option<u8>,
        evicts: bool,
        entries: Vec<(u8, Option<u8>)>,
        expires_in: Option<u64>,
        idle_in: Option<u64>,
    },
    Replace {
        tenant: u8,
        session: u8,
        entries: Vec<u8>,
    },
    End {
        tenant: u8,
        session: u8,
    },
    EndAll {
        tenant: u8,
        user: u8,
    },
    Sweep {
        keeps: u64,
    },
    Wait {
        milliseconds: u64,
    },
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let time = || prop::option::of(1_u64..60);
    let entries = prop::collection::vec((0_u8..30, prop::option::weighted(0.8, 0_u8..4)), 0..9);
    let names = (0_u8..2, 0_u8..4, prop::sample::select(vec![0_u8, 0, 0, 1]), 0_u8..3, 0_u8..8, prop::option::of(0_u8..12));
    let login = (names, prop::bool::weighted(0.1), entries, time(), time()).prop_map(
        |((tenant, session, user, client, kind, transaction), evicts, entries, expires_in, idle_in)| Step::Login {
            tenant,
            session,
            user,
            client,
            kind,
            transaction,
            evicts,
            entries,
            expires_in,
            idle_in,
        },
    );
    prop_oneof![
        10 => login,
        1 => (0_u8..2, 0_u8..4, prop::collection::vec(0_u8..30, 0..25))
            .prop_map(|(tenant, session, entries)| Step::Replace { tenant, session, entries }),
        1 => (0_u8..2, 0_u8..4).prop_map(|(tenant, session)| Step::End { tenant, session }),
        1 => (0_u8..2, 0_u8..2).prop_map(|(tenant, user)| Step::EndAll { tenant, user }),
        2 => (0_u64..80).prop_map(|keeps| Step::Sweep { keeps }),
        4 => (0_u64..30).prop_map(|milliseconds| Step::Wait { milliseconds }),
    ]
}

/// What is kept, in the plainest way.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) now: u64,
    pub(super) sessions: BTreeMap<(u8, u8), Row>,
    pub(super) transactions: BTreeMap<(u8, u8), (u64, String)>,
    pub(super) log: Vec<(u8, u64, String)>,
    pub(super) logins: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) user: u8,
    pub(super) entries: BTreeMap<String, String>,
    pub(super) clients: Vec<String>,
    pub(super) expires: Option<u64>,
    pub(super) idle: Option<u64>,
    pub(super) revision: u64,
    pub(super) ended: Option<(u64, Initiator)>,
}

impl Row {
    pub(super) fn end(&self, now: u64) -> Option<(u64, Initiator)> {
        let over = [self.expires, self.idle].into_iter().flatten().min().filter(|at| *at <= now);
        self.ended.or(over.map(|at| (at, Initiator::SessionExpired)))
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Done(Option<u64>),
    Repeated(String),
    Ended(u64, Initiator),
    AnotherUser,
    TooMany,
    Found(bool),
    Count(u64),
    Marked,
    Swept(u64, u64),
    Nothing,
}

impl Model {
    pub(super) fn take(&mut self, step: &Step) -> Outcome {
        let now = self.now;
        match step {
            Step::Wait { milliseconds } => {
                self.now += milliseconds;
                Outcome::Nothing
            }
            Step::Login { .. } => self.login(step),
            Step::Replace { tenant, session, entries } => match self.sessions.get_mut(&(*tenant, *session)) {
                Some(row) if row.end(now).is_none() => {
                    row.entries = entries.iter().map(|entry| (format!("k{entry}"), "r".to_owned())).collect();
                    row.revision += 1;
                    Outcome::Done(Some(row.revision))
                }
                _ => Outcome::Done(None),
            },
            Step::End { tenant, session } => {
                let found = self.sessions.get_mut(&(*tenant, *session)).filter(|row| row.end(now).is_none());
                let is_there = found.is_some();
                if let Some(row) = found {
                    row.ended = Some((now, Initiator::RpLogout));
                    self.log.push((*tenant, now, end_of(*session, Initiator::RpLogout)));
                }
                Outcome::Found(is_there)
            }
            Step::EndAll { tenant, user } => {
                let mut count = 0;
                for ((of, session), row) in &mut self.sessions {
                    if of == tenant && row.user == *user && row.end(now).is_none() {
                        row.ended = Some((now, Initiator::AccountDeleted));
                        self.log.push((*tenant, now, end_of(*session, Initiator::AccountDeleted)));
                        count += 1;
                    }
                }
                if count > AT_ONCE as u64 { Outcome::Marked } else { Outcome::Count(count) }
            }
            Step::Sweep { keeps } => {
                let mut expired = 0;
                for ((tenant, session), row) in &mut self.sessions {
                    if let (None, Some((at, initiator))) = (row.ended, row.end(now)) {
                        row.ended = Some((at, initiator));
                        // It is new to whoever reads the log, however long ago it was.
                        self.log.push((*tenant, now, end_of(*session, initiator)));
                        expired += 1;
                    }
                }
                let since = now.saturating_sub(*keeps);
                let before = self.sessions.len() + self.transactions.len() + self.log.len();
                self.sessions.retain(|_, row| row.ended.is_none_or(|(at, _)| at >= since));
                self.transactions.retain(|_, (at, _)| *at >= since);
                self.log.retain(|(_, at, _)| *at >= since);
                let after = self.sessions.len() + self.transactions.len() + self.log.len();
                Outcome::Swept(expired, (before - after) as u64)
            }
        }
    }

    fn login(&mut self, step: &Step) -> Outcome {
        let Step::Login { tenant, session, user, client, kind, transaction, evicts, entries, expires_in, idle_in } = step else {
            return Outcome::Nothing;
        };
        let (now, key) = (self.now, (*tenant, *session));
        let number = self.logins;
        self.logins += 1;
        if let Some((_, answer)) = transaction.and_then(|id| self.transactions.get(&(*tenant, id))) {
            return Outcome::Repeated(answer.clone());
        }
        let kept = self.sessions.get(&key).cloned();
        if let Some(row) = &kept {
            if row.user != *user {
                return Outcome::AnotherUser;
            }
            if let Some((at, initiator)) = row.end(now) {
                return Outcome::Ended(at, initiator);
            }
        }
        let mut row = kept.clone().unwrap_or_else(|| Row {
            user: *user,
            entries: BTreeMap::from([("platform".to_owned(), "1".to_owned())]),
            clients: Vec::new(),
            expires: None,
            idle: None,
            revision: 0,
            ended: None,
        });
        match (kind, &kept) {
            (0 | 1, None) => {}
            (0, Some(_)) => {
                row.ended = Some((now, Initiator::SessionRevoked));
                self.log.push((*tenant, now, end_of(*session, Initiator::SessionRevoked)));
                self.sessions.insert(key, row.clone());
            }
            _ => {
                if *evicts {
                    row.entries.clear();
                }
                // Of one key, the last change of a login counts.
                let changed: BTreeMap<_, _> = entries.iter().copied().collect();
                for (entry, value) in changed {
                    match value {
                        Some(value) => row.entries.insert(format!("k{entry}"), format!("{value}")),
                        None => row.entries.remove(&format!("k{entry}")),
                    };
                }
                if row.entries.len() > 25 {
                    return Outcome::TooMany;
                }
                row.expires = [row.expires, expires_in.map(|time| now + time)].into_iter().flatten().min();
                row.idle = idle_in.map(|time| now + time).or(row.idle);
                let is_changed = *kind != 1 || *evicts || !entries.is_empty() || expires_in.is_some() || idle_in.is_some();
                row.revision += u64::from(is_changed);
                if *kind != 1 && !row.clients.contains(&format!("c{client}")) {
                    row.clients.push(format!("c{client}"));
                }
                self.sessions.insert(key, row.clone());
            }
        }
        if let Some(id) = transaction {
            self.transactions.insert((*tenant, *id), (now, format!("answer {number}")));
        }
        self.log.push((*tenant, now, format!("login {number}")));
        let is_alive = self.sessions.get(&key).is_some_and(|row| row.end(now).is_none());
        Outcome::Done(is_alive.then_some(row.revision))
    }
}

/// The line of the log that an end writes.
fn end_of(session: u8, initiator: Initiator) -> String {
    format!("{} {initiator}", session_of(session))
}

pub(super) fn tenant_of(number: u8) -> TenantId {
    tenant(&format!("tenant{number}"))
}

pub(super) fn user_of(number: u8) -> UserId {
    user(&format!("user{number}"))
}

pub(super) fn session_of(number: u8) -> SessionId {
    id(&format!("session{number}"))
}
