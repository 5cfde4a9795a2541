//! What a server says when it refuses something.

use std::fmt;

use reqwest::StatusCode;
use serde::Deserialize;

use crate::table::printable;

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
    pub(super) fn read(status: StatusCode, body: &[u8]) -> Self {
        let Body { message, code, capabilities, error, error_description } = serde_json::from_slice(body).unwrap_or_default();
        let words = || status.canonical_reason().unwrap_or("no reason").to_owned();
        Self {
            status: status.as_u16(),
            message: message.or(error_description).unwrap_or_else(|| error.clone().unwrap_or_else(words)),
            code: code.unwrap_or_default(),
            capabilities,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server says: {} ({}", printable(&self.message), self.status)?;
        if !self.code.is_empty() {
            write!(f, ", {}", printable(&self.code))?;
        }
        f.write_str(")")?;
        self.capabilities.iter().try_for_each(|capability| write!(f, "\n    {}", printable(capability)))
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_told_with_its_list() {
        let body = br#"{"statusCode":409,"error":"Conflict","message":"it asks for more","errorCode":"capabilities_not_accepted","capabilities":["event-user.email","http"]}"#;
        let refusal = Refusal::read(StatusCode::CONFLICT, body);
        let shown = "the server says: it asks for more (409, capabilities_not_accepted)\n    event-user.email\n    http";
        assert_eq!(refusal.to_string(), shown);
    }

    #[test]
    fn an_answer_of_another_server_is_told_as_well_as_can_be() {
        let refused = |body: &[u8]| Refusal::read(StatusCode::BAD_GATEWAY, body).to_string();
        assert_eq!(refused(b"<html>"), "the server says: Bad Gateway (502)");
        assert_eq!(
            refused(br#"{"error":"invalid_scope","error_description":"no \u001b[2J"}"#),
            "the server says: no \\u{1b}[2J (502)"
        );
    }
}
