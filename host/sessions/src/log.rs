//! The tenant's log: what happened, for the tenant's own eyes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;
use vestibule_model::Timestamp;

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
    /// All else, by the names that Auth0's log has: `client_id`, `user_id`, `ip`, `description`, `details`, …
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

/// A place in a tenant's log. Whoever has read up to a place and asks for what comes after it misses nothing: no entry ever appears
/// before one that has been read. As text it is the entry's id, which sorts like the place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition(pub(crate) u64);

/// A text that is no log entry's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not the id of a log entry: `log_` and twenty digits")]
pub struct LogPositionError;

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
