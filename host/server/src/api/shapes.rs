//! The shapes of JSON that other crates read and write, for the OpenAPI document alone:
//! `tests/clients` holds them against what is answered.

#![expect(dead_code, reason = "they are told, and never made")]

mod client;
mod event;
mod outcome;

use utoipa::ToSchema;

pub(crate) use self::client::*;
pub(crate) use self::event::*;
pub(crate) use self::outcome::*;

#[derive(ToSchema)]
pub(crate) struct Device {
    initial_user_agent: Option<String>,
    initial_ip: Option<String>,
    initial_asn: Option<String>,
    last_user_agent: Option<String>,
    last_ip: Option<String>,
    last_asn: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct SessionClient {
    client_id: String,
}

#[derive(ToSchema)]
pub(crate) struct SessionMethod {
    name: String,
    #[schema(format = DateTime)]
    timestamp: String,
    /// The kind of factor, for `mfa` alone.
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CookieMode {
    Persistent,
    NonPersistent,
}

#[derive(ToSchema)]
pub(crate) struct Actor {
    sub: String,
}

/// An entry of the tenant's log. It has `_id`, `log_id`, `date` and `type`, unless a list's
/// `fields` leaves them out.
#[derive(ToSchema)]
pub(crate) struct LogEntry {
    #[serde(rename = "_id")]
    #[schema(required = false)]
    same_id: String,
    #[schema(required = false, pattern = r"^log_0[0-8][0-9]{18}$")]
    log_id: String,
    #[schema(required = false, format = DateTime)]
    date: String,
    /// `s`: a login has succeeded; `f`: it was denied, or has failed.
    #[serde(rename = "type")]
    #[schema(required = false)]
    kind: String,
    client_id: Option<String>,
    user_id: Option<String>,
    session_id: Option<String>,
    ip: Option<String>,
    description: Option<String>,
}

/// The order of entries: by date, the newest or the oldest first.
#[derive(ToSchema)]
pub(crate) enum LogSort {
    #[serde(rename = "date:-1")]
    NewestFirst,
    #[serde(rename = "date:1")]
    OldestFirst,
}

/// Entries: by themselves, or (`include_totals`) with where the page begins.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum LogEntries {
    Alone(Vec<LogEntry>),
    Page(LogPage),
}

#[derive(ToSchema)]
pub(crate) struct LogPage {
    start: usize,
    limit: usize,
    length: usize,
    logs: Vec<LogEntry>,
}

/// A key set (RFC 7517).
#[derive(ToSchema)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

#[derive(ToSchema)]
pub(crate) struct Key {
    kty: String,
    kid: String,
    alg: String,
    #[serde(rename = "use")]
    purpose: String,
    /// With `kty` `EC`: the curve, and the point's two halves.
    #[schema(required = false)]
    crv: String,
    #[schema(required = false)]
    x: String,
    #[schema(required = false)]
    y: String,
    /// With `kty` `RSA`: the modulus and the exponent.
    #[schema(required = false)]
    n: String,
    #[schema(required = false)]
    e: String,
}

/// Why a session has ended.
#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Initiator {
    RpLogout,
    IdpLogout,
    PasswordChanged,
    SessionExpired,
    SessionRevoked,
    AccountDeleted,
    EmailIdentifierChanged,
    AccountDeactivated,
    MfaPhoneUnenrolled,
}

/// Where what is (RFC 8414).
#[derive(ToSchema)]
pub(crate) struct Endpoints {
    issuer: String,
    jwks_uri: String,
    token_endpoint: String,
    token_endpoint_auth_methods_supported: Vec<String>,
    grant_types_supported: Vec<String>,
}

#[derive(ToSchema)]
pub(crate) struct Status {
    status: String,
}

/// Whether the server can do its work.
#[derive(ToSchema)]
pub(crate) struct Readiness {
    /// `ready`.
    status: String,
    /// What the operator should look at although the server can do its work.
    notes: Vec<String>,
}
