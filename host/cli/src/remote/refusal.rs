//! What a server says when it refuses something.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use crate::table::printable;

/// The longest that we wait where a server says that it takes no more requests for now.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server says that is too busy for something and has done nothing of it.
const NOT_DONE: [&str; 5] = ["store_busy", "store_exhausted", "store_unavailable", "too_busy", "shutting_down"];
/// What it says where something is done, or may be.
const MAYBE_DONE: [&str; 2] = ["commit_unknown", "not_live_yet"];

/// Why a server has refused something, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The status.
    pub(crate) status: u16,
    /// What is wrong, for programs; empty where the server doesn't say.
    pub(crate) code: String,
    /// What is wrong, for people.
    pub(crate) message: String,
    /// The capabilities that it is about.
    pub(crate) capabilities: Vec<String>,
    /// After which time it can be asked for again, where nothing was done and that is all that is
    /// wrong.
    pub(crate) wait: Option<Duration>,
}

/// The shapes of the Management API and of `/oauth/token`.
#[derive(Default, Deserialize)]
struct Body {
    message: Option<String>,
    #[serde(rename = "errorCode")]
    code: Option<String>,
    #[serde(default)]
    capabilities: Vec<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl Refusal {
    pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let Body { message, code, capabilities, error, error_description } = serde_json::from_slice(body).unwrap_or_default();
        let words = || status.canonical_reason().unwrap_or("no reason").to_owned();
        let code = code.unwrap_or_default();
        let wait = match status {
            StatusCode::TOO_MANY_REQUESTS => true,
            StatusCode::SERVICE_UNAVAILABLE => headers.contains_key(RETRY_AFTER) && NOT_DONE.contains(&code.as_str()),
            _ => false,
        };
        Self {
            status: status.as_u16(),
            message: message.or(error_description).unwrap_or_else(|| error.clone().unwrap_or_else(words)),
            code,
            capabilities,
            wait: wait.then(|| until_it_takes_more(headers, SystemTime::now())),
        }
    }

    /// Whether an error is a refusal with this code.
    pub(crate) fn has_code(error: &anyhow::Error, code: &str) -> bool {
        error.downcast_ref::<Self>().is_some_and(|refusal| refusal.code == code)
    }

    /// Whether an error leaves it open if that which was asked for is done.
    pub(crate) fn leaves_open(error: &anyhow::Error) -> bool {
        error.is::<Unreachable>() || MAYBE_DONE.iter().any(|code| Self::has_code(error, code))
    }

    /// What to do about it, where the server's words don't say it.
    fn help(&self) -> Option<&'static str> {
        match self.code.as_str() {
            "insufficient_scope" => Some("the operator gives a client its `scopes`, in the server's configuration"),
            "unknown_tenant" => Some("`vestibule profile list` shows by which host the server is called"),
            _ => None,
        }
    }
}

/// Whether an error may be gone when the same is asked for a moment later: the server can't be
/// reached, or has trouble of its own.
pub(crate) fn may_pass(error: &anyhow::Error) -> bool {
    error.is::<Unreachable>()
        || error.downcast_ref::<Refusal>().is_some_and(|refusal| refusal.status >= 500 || refusal.wait.is_some())
}

/// How long to wait for a server that takes no more requests for now, as its headers say it.
fn until_it_takes_more(headers: &HeaderMap, now: SystemTime) -> Duration {
    let number = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let until = number("x-ratelimit-reset").map(|reset| Duration::from_secs(reset).saturating_sub(now));
    let wait = number(RETRY_AFTER.as_str()).map(Duration::from_secs).or(until);
    wait.unwrap_or(Duration::from_secs(1)).min(PATIENCE)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server says: {} ({}", printable(&self.message), self.status)?;
        if !self.code.is_empty() {
            write!(f, ", {}", printable(&self.code))?;
        }
        f.write_str(")")?;
        self.capabilities.iter().try_for_each(|capability| write!(f, "\n    {}", printable(capability)))?;
        self.help().map_or(Ok(()), |help| write!(f, "\n  help: {help}"))
    }
}

impl std::error::Error for Refusal {}

/// A server that doesn't answer.
#[derive(Debug)]
pub(crate) struct Unreachable {
    pub(super) url: String,
    pub(super) cause: reqwest::Error,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.cause.is_timeout() { "has not answered in time" } else { "can't be reached" };
        write!(f, "{} {what}: {}", self.url, self.cause)?;
        let mut cause = std::error::Error::source(&self.cause);
        while let Some(deeper) = cause {
            write!(f, ": {deeper}")?;
            cause = deeper.source();
        }
        f.write_str(
            "\n  help: does it run there? `vestibule profile list` shows its URL; --ca names a certificate authority of your own",
        )
    }
}

impl std::error::Error for Unreachable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_told_with_its_list() {
        let body = br#"{"statusCode":409,"error":"Conflict","message":"it asks for more","errorCode":"capabilities_not_accepted","capabilities":["event-user.email","http"]}"#;
        let refusal = Refusal::read(StatusCode::CONFLICT, &HeaderMap::new(), body);
        let shown = "the server says: it asks for more (409, capabilities_not_accepted)\n    event-user.email\n    http";
        assert_eq!(refusal.to_string(), shown);
    }

    #[test]
    fn an_answer_of_another_server_is_told_as_well_as_can_be() {
        let refused = |body: &[u8]| Refusal::read(StatusCode::BAD_GATEWAY, &HeaderMap::new(), body).to_string();
        assert_eq!(refused(b"<html>"), "the server says: Bad Gateway (502)");
        assert_eq!(
            refused(br#"{"error":"invalid_scope","error_description":"no \u001b[2J"}"#),
            "the server says: no \\u{1b}[2J (502)"
        );
    }

    #[test]
    fn who_is_told_to_wait_waits_as_long_as_the_header_says() {
        let now = UNIX_EPOCH + Duration::from_millis(1_000_500);
        let wait = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            until_it_takes_more(&headers, now)
        };
        assert_eq!(wait("x-ratelimit-reset", "1002"), Duration::from_millis(1_500));
        assert_eq!(wait("x-ratelimit-reset", "900"), Duration::ZERO, "its clock is behind ours");
        assert_eq!(wait("retry-after", "3"), Duration::from_secs(3));
        assert_eq!(wait("x-ratelimit-reset", "9999999999"), PATIENCE);
        assert_eq!(wait("x-other", "7"), Duration::from_secs(1));
    }

    #[test]
    fn what_was_not_done_is_asked_for_again_and_what_may_have_been_done_is_not() {
        let mut headers = HeaderMap::new();
        let refused = |status: u16, headers: &HeaderMap, code: &str| {
            Refusal::read(StatusCode::from_u16(status).unwrap(), headers, format!(r#"{{"errorCode":"{code}"}}"#).as_bytes())
        };
        assert!(refused(503, &headers, "store_busy").wait.is_none(), "nobody says when");
        headers.insert(RETRY_AFTER, "2".parse().unwrap());
        assert_eq!(refused(503, &headers, "store_busy").wait, Some(Duration::from_secs(2)));
        for done in MAYBE_DONE {
            let error = refused(503, &headers, done);
            assert!(error.wait.is_none() && Refusal::leaves_open(&error.into()), "{done}");
        }
        assert_eq!(refused(403, &headers, "insufficient_scope").wait, None);
        for (status, passes) in [(429, true), (500, true), (502, true), (503, true), (403, false), (404, false)] {
            let error = anyhow::Error::new(refused(status, &headers, "")).context("no token");
            assert_eq!(may_pass(&error), passes, "{status}");
        }
        assert!(!may_pass(&anyhow::anyhow!("the secret is wrong")));
    }
}
