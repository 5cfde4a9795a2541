//! What became of each run of a trigger's Actions.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};
use thiserror::Error;
use vestibule_model::{TenantId, Timestamp};

use super::names::{ActionName, Trigger};
use crate::tokens::ExecutionUid;

/// One run of a trigger's Actions.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: ExecutionUid,
    /// Which trigger's.
    pub trigger: Trigger,
    /// How it has ended.
    pub status: ExecutionStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The names of the Actions that have run.
    pub actions: Vec<String>,
    /// All else that is told of it. The store doesn't read it.
    pub body: Map<String, Value>,
}

/// How a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionStatus {
    /// All Actions have run.
    Final,
    /// One has failed, and others have run.
    Partial,
    /// One has failed, and with it the login.
    Canceled,
}

impl ExecutionStatus {
    /// All that there are.
    pub const ALL: [Self; 3] = [Self::Final, Self::Partial, Self::Canceled];

    /// In a word, as Auth0 has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Partial => "partial",
            Self::Canceled => "canceled",
        }
    }

    pub(crate) fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// Which of a tenant's runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// In which this Action has run.
    pub action: Option<ActionName>,
    /// Which ended so.
    pub status: Option<ExecutionStatus>,
}

/// Where a page of runs has ended: the last one's place. As text it is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionCursor(pub(crate) u64);

/// A text that is no such place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not the place of an execution: the `next` of an earlier answer")]
pub struct ExecutionCursorError;

impl fmt::Display for ExecutionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ExecutionCursor {
    type Err = ExecutionCursorError;

    fn from_str(text: &str) -> Result<Self, ExecutionCursorError> {
        text.parse().map(Self).map_err(|_| ExecutionCursorError)
    }
}

/// Some of a tenant's runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExecutionPage {
    /// The newest first.
    pub executions: Vec<Execution>,
    /// Where the next page begins; none where this is the last.
    pub next: Option<ExecutionCursor>,
}
