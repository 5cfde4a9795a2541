//! The tenant's log: what happened, for the tenant's own eyes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;
use vestibule_model::Timestamp;

use crate::columns;
use crate::error::StoreError;

/// What kind of thing happened, by the codes that Auth0's tenant logs have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogKind {
    /// A login succeeded.
    #[serde(rename = "s")]
    SuccessfulLogin,
    /// A login was denied, or failed.
    #[serde(rename = "f")]
    FailedLogin,
    /// A session has ended.
    #[serde(rename = "slo")]
    Logout,
    /// An application has heard that a session has ended.
    #[serde(rename = "sslo")]
    LogoutDelivered,
    /// An application could not be told, or did not want to be.
    #[serde(rename = "fslo")]
    LogoutFailed,
}

impl LogKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::SuccessfulLogin, Self::FailedLogin, Self::Logout, Self::LogoutDelivered, Self::LogoutFailed];

    /// The code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SuccessfulLogin => "s",
            Self::FailedLogin => "f",
            Self::Logout => "slo",
            Self::LogoutDelivered => "sslo",
            Self::LogoutFailed => "fslo",
        }
    }

    /// The kind with this code, where it is known.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == code)
    }
}

/// An entry that is to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct NewLogEntry {
    /// What kind of thing happened.
    pub kind: LogKind,
    /// When.
    pub date: Timestamp,
    /// All else, by the names that Auth0's log has: `client_id`, `user_id`, `ip`, `description`,
    /// `details`, …
    pub body: Map<String, Value>,
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// Its place in the tenant's log.
    pub position: LogPosition,
    /// What kind of thing happened.
    pub kind: LogKind,
    /// When.
    pub date: Timestamp,
    /// All else.
    pub body: Map<String, Value>,
}

/// A place in a tenant's log. Whoever has read up to a place and asks for what comes after it
/// misses nothing: no entry ever appears before one that has been read. As text it is the entry's
/// id, which sorts like the place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition(pub(crate) u64);

/// A text that is no log entry's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not the id of a log entry: `log_` and twenty digits")]
pub struct LogPositionError;

impl LogPosition {
    /// The last that a store can give.
    pub(crate) const LAST: Self = Self(i64::MAX as u64);
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log_{:020}", self.0)
    }
}

impl FromStr for LogPosition {
    type Err = LogPositionError;

    fn from_str(text: &str) -> Result<Self, LogPositionError> {
        let digits = text.strip_prefix("log_").ok_or(LogPositionError)?;
        let is_right = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
        // A store's numbers are signed.
        let number = is_right.then(|| digits.parse::<i64>().ok()).flatten().ok_or(LogPositionError)?;
        u64::try_from(number).map(Self).map_err(|_| LogPositionError)
    }
}

/// Entries that one search reads at most, when its filter is not one that an index answers.
pub(crate) const MOST_SEARCHED: usize = 10_000;

/// The order of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogOrder {
    /// By date, the newest first.
    #[default]
    NewestFirst,
    /// By date, the oldest first.
    OldestFirst,
}

/// Which entries a search finds: those that fulfil every condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Of this kind.
    pub kind: Option<LogKind>,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Not after this moment.
    pub until: Option<Timestamp>,
    /// Not before this position. The search is in the order of positions then, instead of dates.
    pub from: Option<LogPosition>,
    /// Not after this position, the same.
    pub to: Option<LogPosition>,
    /// Members of the entry's body that have these values.
    pub members: Vec<(&'static str, String)>,
}

impl LogFilter {
    /// Whether it is in the order of positions.
    pub(crate) fn is_by_position(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// The kind that an index has: any but that of successful logins, which is most of a log.
    pub(crate) fn indexed_kind(&self) -> Option<LogKind> {
        self.kind.filter(|kind| *kind != LogKind::SuccessfulLogin)
    }

    /// Whether the database's own conditions are all that there are.
    pub(crate) fn is_answered_by_index(&self) -> bool {
        self.members.is_empty()
            && if self.is_by_position() {
                self.kind.is_none() && self.since.is_none() && self.until.is_none()
            } else {
                self.kind == self.indexed_kind()
            }
    }

    /// Whether an entry with this body, in JSON, can fulfil the conditions on members: a look at
    /// its text, before it is parsed.
    fn may_match(&self, body: &str) -> bool {
        let is_escaped =
            |value: &str| value.contains(|character: char| matches!(character, '"' | '\\') || character.is_control());
        self.members.iter().all(|(_, value)| is_escaped(value) || body.contains(value.as_str()))
    }

    /// Whether an entry fulfils every condition.
    pub fn matches(&self, entry: &LogEntry) -> bool {
        self.kind.is_none_or(|kind| kind == entry.kind)
            && self.since.is_none_or(|since| entry.date >= since)
            && self.until.is_none_or(|until| entry.date <= until)
            && self.from.is_none_or(|from| entry.position >= from)
            && self.to.is_none_or(|to| entry.position <= to)
            && self.members.iter().all(|(name, value)| entry.body.get(*name).and_then(Value::as_str) == Some(value))
    }
}

/// A search of a tenant's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSearch {
    /// Which entries.
    pub filter: LogFilter,
    /// In which order.
    pub order: LogOrder,
    /// Entries that the page begins after.
    pub skip: usize,
    /// Entries of the page at most.
    pub take: usize,
}

/// What a search has found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogFound {
    /// The page.
    pub entries: Vec<LogEntry>,
    /// The search has read as many entries as one may (10,000) before the page was full: there may
    /// be more.
    pub is_cut: bool,
}

/// A page that is filled from rows in the order of a search.
#[derive(Debug)]
pub(crate) struct LogPage<'a> {
    search: &'a LogSearch,
    left_to_skip: usize,
    rows_read: usize,
    entries: Vec<LogEntry>,
}

impl<'a> LogPage<'a> {
    pub(crate) fn new(search: &'a LogSearch) -> Self {
        Self { search, left_to_skip: search.skip, rows_read: 0, entries: Vec::new() }
    }

    /// How many rows may be read further; none when the page is full.
    pub(crate) fn rows_left(&self) -> usize {
        match self.left_to_skip + (self.search.take - self.entries.len()) {
            wanted if wanted == 0 || self.search.filter.is_answered_by_index() => wanted,
            _ => MOST_SEARCHED.saturating_sub(self.rows_read),
        }
    }

    /// Takes the next row.
    pub(crate) fn read(&mut self, position: i64, kind: &str, date: i64, body: &str) -> Result<(), StoreError> {
        self.rows_read += 1;
        let filter = &self.search.filter;
        if !filter.may_match(body) {
            return Ok(());
        }
        let entry = columns::log_entry(position, kind, date, body)?;
        if !filter.matches(&entry) {
        } else if self.left_to_skip > 0 {
            self.left_to_skip -= 1;
        } else if self.entries.len() < self.search.take {
            self.entries.push(entry);
        }
        Ok(())
    }

    /// What was found, when the log has ended (`is_end`) or no more rows may be read.
    pub(crate) fn done(self, is_end: bool) -> LogFound {
        let is_full = self.entries.len() >= self.search.take || self.search.filter.is_answered_by_index();
        LogFound { is_cut: !is_end && !is_full, entries: self.entries }
    }
}
