//! The door of native tests: the login that the current thread's test runs its Action over.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use vestibule_model::outcome::{LogLine, RequestError, RequestReport};
use vestibule_model::{Login, Values};

use crate::http::{Error, Request, Response, Url};

/// A run of an Action in a test.
pub(crate) struct Run {
    pub(crate) login: Login,
    pub(crate) secrets: Values,
    pub(crate) configuration: Values,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) requests: Vec<RequestReport>,
}

/// What a test answers to a request; `None` where it is no answer to this one.
type Answers = dyn Fn(&Request) -> Option<Result<Response, Error>> + Send + Sync;

/// One of a test's answers.
#[derive(Clone)]
pub(crate) struct Answer(pub(crate) Arc<Answers>);

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

/// Gives the current run to a function.
#[allow(clippy::panic, reason = "a test that calls the SDK outside of a run is wrong, and a panic is how a test fails")]
pub(crate) fn with<T>(ask: impl FnOnce(&mut Run) -> T) -> T {
    RUN.with_borrow_mut(|run| match run {
        Some(run) => ask(run),
        None => panic!("there is no login here: run the Action with `vestibule_sdk::testing::Login::run`"),
    })
}

/// Adds a line to the current run's log. Outside of a run it does nothing: other crates of a
/// test's process may log at any time.
pub(crate) fn log(line: LogLine) {
    RUN.with_borrow_mut(|run| {
        if let Some(run) = run {
            run.logs.push(line);
        }
    });
}

/// What the test answers to a request: the first answer that is one to it.
pub(crate) fn answer(request: &Request, url: &Url<'_>) -> Result<Response, Error> {
    let origin = url.origin();
    let started = Instant::now();
    // Taken out, so that an answer that looks at the login can do so.
    let answers = with(|run| run.answers.clone());
    let answered = answers.iter().find_map(|Answer(answer)| answer(request));
    let answered = answered.unwrap_or_else(|| Err(Error::NotAllowed { origin: origin.clone() }));
    let report = RequestReport {
        method: request.method().to_owned(),
        origin,
        status: answered.as_ref().ok().map(Response::status),
        error: answered.as_ref().err().map(reported),
        bytes_sent: request.body().len() as u64,
        bytes_received: answered.as_ref().map_or(0, |response| response.bytes().len() as u64),
        duration: started.elapsed(),
    };
    with(|run| run.requests.push(report));
    answered
}

/// As the sandbox would report it.
fn reported(error: &Error) -> RequestError {
    match error {
        Error::NotAllowed { .. } => RequestError::OriginNotAllowed,
        Error::AddressRefused { .. } => RequestError::AddressRefused { rule: "as the test says" },
        Error::TooMany => RequestError::TooMany { allowed: 0 },
        Error::Dns { .. } => RequestError::NotResolved,
        Error::Connect { .. } => RequestError::NotConnected,
        Error::Tls { .. } => RequestError::Tls { reason: "as the test says".to_owned() },
        Error::Timeout { .. } => RequestError::TimedOut,
        Error::RequestTooLarge { allowed, .. } => RequestError::RequestTooLarge { allowed: bytes(*allowed) },
        Error::ResponseTooLarge { allowed, .. } => RequestError::ResponseTooLarge { allowed: bytes(*allowed) },
        _ => RequestError::Protocol,
    }
}

fn bytes(allowed: Option<u64>) -> usize {
    allowed.and_then(|allowed| usize::try_from(allowed).ok()).unwrap_or_default()
}

/// Makes this the current run while an Action runs, and gives it back.
pub(crate) fn during<T>(run: Run, action: impl FnOnce() -> T) -> (Run, T) {
    RUN.set(Some(run));
    let returned = action();
    (with_taken(), returned)
}

#[allow(clippy::panic, reason = "the run was put there by `during`, and nothing else takes it")]
fn with_taken() -> Run {
    RUN.take().unwrap_or_else(|| panic!("the run that was put there is still there"))
}
