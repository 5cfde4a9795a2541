//! The report of each Action of a flow: for its author, the tenant and the operator. Never a
//! secret or the event's own values.

use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use thiserror::Error;

use super::{Frame, Place, RequestReport};
use crate::ActionId;
use crate::amount::{bytes, number, time};

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Something failed. What an Action writes to standard error is of this level.
    Error,
    /// Something may fail.
    Warn,
    /// What went on. What an Action writes to standard output is of this level.
    Info,
    /// For debugging.
    Debug,
    /// Every step.
    Trace,
}

/// A line that an Action has logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// How important it is.
    pub level: Level,
    /// The text: one line, in which control characters are escaped.
    pub message: String,
}

/// How an Action ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionResult {
    /// It returned, and the flow went on.
    Ok,
    /// It returned, and had denied the login.
    Denied,
    /// It returned, and had revoked the session.
    Revoked,
    /// It failed.
    Failed(Failure),
    /// The flow had stopped before it.
    NotRun,
}

impl ActionResult {
    /// As it stands in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Denied => "denied",
            Self::Revoked => "revoked",
            Self::Failed(_) => "failed",
            Self::NotRun => "not_run",
        }
    }
}

/// Why an Action failed. Its text is for the Action's author.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// It returned an error.
    #[error("{message}")]
    Returned {
        /// The Action's own words.
        message: String,
    },
    /// It asked to fail the login with its own error (`validation.error`).
    #[error("{code}: {message}")]
    Rejected {
        /// The Action's own code.
        code: String,
        /// The Action's own words.
        message: String,
    },
    /// It broke off with a message on standard error: in Rust, a panic.
    #[error("it panicked: {message}")]
    Panicked {
        /// What it wrote.
        message: String,
    },
    /// It did something that WebAssembly forbids.
    #[error("it broke off: {reason}")]
    Trapped {
        /// What it did.
        reason: String,
    },
    /// It ended itself instead of returning.
    #[error("it called `exit` instead of returning; return an error to fail the login")]
    Exited,
    /// It went over one of its limits.
    #[error("{limit}")]
    Limit {
        /// Which.
        limit: LimitBroken,
    },
    /// It can send requests, and its binding allows none. It has not run.
    #[error(
        "it sends HTTP requests (it imports `wasi:http/outgoing-handler`), and its binding allows none; name the origins that it may send to with `Binding::allow_requests`, or `--allow` on the command line"
    )]
    RequestsNotAllowed,
    /// The host had no room to run it: not the Action's fault.
    #[error("the host has no sandbox free; try again, or raise `sandboxes` in the runtime's settings")]
    Busy,
    /// Its code could not be loaded, so it has not run: its host's fault, and not its own. The
    /// host's operator finds more in the log.
    #[error("it could not be loaded: {reason}")]
    NotLoaded {
        /// What its author may know of it.
        reason: String,
    },
    /// A function of the host broke off: not the Action's fault either. The host's own standard
    /// error has the message.
    #[error(
        "a function of the host broke off while this Action ran; its operator finds why in the host's log, and others aren't affected"
    )]
    HostPanicked,
}

impl Failure {
    /// As it stands in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Returned { .. } => "returned",
            Self::Rejected { .. } => "rejected",
            Self::Panicked { .. } => "panicked",
            Self::Trapped { .. } => "trapped",
            Self::Exited => "exited",
            Self::Limit { .. } => "limit",
            Self::RequestsNotAllowed => "requests_not_allowed",
            Self::Busy => "busy",
            Self::NotLoaded { .. } => "not_loaded",
            Self::HostPanicked => "host_panicked",
        }
    }
}

impl Serialize for Failure {
    /// `{kind, message}`, with `code` for an Action's own error and `limit` for a broken limit.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Failure", 3)?;
        fields.serialize_field("kind", self.kind())?;
        match self {
            Self::Rejected { code, message } => {
                fields.serialize_field("code", code)?;
                fields.serialize_field("message", message)?;
            }
            Self::Limit { limit } => {
                fields.serialize_field("limit", limit.name())?;
                fields.serialize_field("message", &limit.to_string())?;
            }
            _ => fields.serialize_field("message", &self.to_string())?,
        }
        fields.end()
    }
}

/// A limit of the sandbox that an Action went over. Values are what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LimitBroken {
    /// Time of computing.
    #[error("it has used {0} of computing and was not done, at most {0} are allowed (limit `cpu_time`); is there a loop that doesn't end?", time(*.allowed))]
    CpuTime {
        /// What is allowed.
        allowed: Duration,
    },
    /// Time from its start, waiting included.
    #[error("it has taken {0} and was not done, at most {0} are allowed, waiting included (limit `wall_time`)", time(*.allowed))]
    WallTime {
        /// What is allowed.
        allowed: Duration,
    },
    /// Time of computing of all Actions of the login.
    #[error("the login's Actions have used {0} of computing and were not done, at most {0} are allowed for all of them (limit `flow_cpu_time`)", time(*.allowed))]
    FlowCpuTime {
        /// What is allowed.
        allowed: Duration,
    },
    /// Time since the login's first Action has started.
    #[error("the login's Actions have taken {0} and were not done, at most {0} are allowed for all of them, waiting included (limit `flow_wall_time`)", time(*.allowed))]
    FlowWallTime {
        /// What is allowed.
        allowed: Duration,
    },
    /// Linear memory.
    #[error("it asked for {} of memory, at most {} are allowed (limit `memory`)", bytes(*.given), bytes(*.allowed))]
    Memory {
        /// The bytes that it would have.
        given: usize,
        /// What is allowed.
        allowed: usize,
    },
    /// Elements of a table.
    #[error("it asked for a table of {} elements, at most {} are allowed (limit `table_elements`)", number(*.given), number(*.allowed))]
    TableElements {
        /// The elements that it would have.
        given: usize,
        /// What is allowed.
        allowed: usize,
    },
    /// The stack.
    #[error(
        "it has used all of its {} of stack and wants more (limit `stack`); is there a recursion that doesn't end?", bytes(*.allowed)
    )]
    Stack {
        /// What is allowed.
        allowed: usize,
    },
    /// Calls of the contract's functions.
    #[error("it has made {0} calls of the host and wants more, at most {0} are allowed (limit `calls`)", number(*.allowed))]
    Calls {
        /// What is allowed.
        allowed: usize,
    },
    /// Bytes that cross with one call.
    #[error(
        "it wants to pass more than {0} to the host in one call, at most {0} are allowed (limit `call_bytes`)", bytes(*.allowed)
    )]
    CallBytes {
        /// What is allowed.
        allowed: usize,
    },
    /// Resources of the host.
    #[error(
        "it holds {0} resources of the host and wants more, at most {0} are allowed (limit `resources`); is there one that it forgets to drop?", number(*.allowed)
    )]
    Resources {
        /// What is allowed.
        allowed: usize,
    },
    /// Random numbers that one call gives.
    #[error(
        "it asked for more than {0} of random numbers in one call, at most {0} are allowed (limit `random_bytes`)", bytes(*.allowed)
    )]
    RandomBytes {
        /// What is allowed.
        allowed: usize,
    },
}

impl LimitBroken {
    /// The limit's name, as in the table of limits.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CpuTime { .. } => "cpu_time",
            Self::WallTime { .. } => "wall_time",
            Self::FlowCpuTime { .. } => "flow_cpu_time",
            Self::FlowWallTime { .. } => "flow_wall_time",
            Self::Memory { .. } => "memory",
            Self::TableElements { .. } => "table_elements",
            Self::Stack { .. } => "stack",
            Self::Calls { .. } => "calls",
            Self::CallBytes { .. } => "call_bytes",
            Self::Resources { .. } => "resources",
            Self::RandomBytes { .. } => "random_bytes",
        }
    }
}

/// The report of one Action.
#[derive(Clone, Debug)]
pub struct ActionReport {
    /// Which Action.
    pub action: ActionId,
    /// How it ended.
    pub result: ActionResult,
    /// Where in its source it failed, if it did and that is known.
    pub place: Option<Place>,
    /// The functions that were running when it broke off, the innermost first.
    pub trace: Vec<Frame>,
    /// How long its sandbox lived, making and dropping included.
    pub duration: Duration,
    /// How long it has computed: what `cpu_time` limits. Waiting doesn't count.
    pub cpu_time: Duration,
    /// WebAssembly instructions that it ran, where they are counted.
    pub fuel: Option<u64>,
    /// The most linear memory that it had, in bytes.
    pub peak_memory_bytes: usize,
    /// The HTTP requests that it made, in their order.
    pub requests: Vec<RequestReport>,
    /// What it logged.
    pub logs: Vec<LogLine>,
    /// Whether it logged more than its budget, and the rest was cut.
    pub logs_cut: bool,
}

impl ActionReport {
    /// Of an Action that did not run.
    pub fn not_run(action: ActionId) -> Self {
        Self {
            action,
            result: ActionResult::NotRun,
            place: None,
            trace: Vec::new(),
            duration: Duration::ZERO,
            cpu_time: Duration::ZERO,
            fuel: None,
            peak_memory_bytes: 0,
            requests: Vec::new(),
            logs: Vec::new(),
            logs_cut: false,
        }
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.result {
            ActionResult::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

impl Serialize for ActionReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("ActionReport", 12)?;
        fields.serialize_field("name", self.action.name())?;
        fields.serialize_field("version", self.action.version())?;
        fields.serialize_field("result", self.result.name())?;
        fields.serialize_field("error", &self.failure())?;
        fields.serialize_field("place", &self.place)?;
        fields.serialize_field("trace", &self.trace)?;
        fields.serialize_field("duration_us", &u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX))?;
        fields.serialize_field("cpu_time_us", &u64::try_from(self.cpu_time.as_micros()).unwrap_or(u64::MAX))?;
        fields.serialize_field("fuel", &self.fuel)?;
        fields.serialize_field("peak_memory_bytes", &self.peak_memory_bytes)?;
        fields.serialize_field("requests", &self.requests)?;
        fields.serialize_field("logs", &self.logs)?;
        fields.serialize_field("logs_cut", &self.logs_cut)?;
        fields.end()
    }
}
