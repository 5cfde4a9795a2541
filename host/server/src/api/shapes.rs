//! The shapes of JSON that other crates read and write, for the OpenAPI document alone: `tests/clients` holds them against what is answered.

#![expect(dead_code, reason = "they are told, and never made")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use crate::logout::OidcLogout;

/// A login event, in the shape of Auth0's post-login event: what it has to have, and some of what it may have.
#[derive(ToSchema)]
pub(crate) struct Event {
    tenant: EventTenant,
    transaction: Option<EventTransaction>,
    session: Option<EventSession>,
    user: EventUser,
    organization: Option<EventOrganization>,
    client: EventClient,
    connection: EventConnection,
    request: EventRequest,
}

#[derive(ToSchema)]
pub(crate) struct EventTenant {
    /// That of the host that is called.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[A-Za-z0-9._-]+$")]
    id: String,
}

#[derive(ToSchema)]
pub(crate) struct EventTransaction {
    /// Sent twice, it gives the same answer and changes nothing twice.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\s\x00-\x1F\x7F-\x9F]+$")]
    id: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct EventSession {
    /// The platform's.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\s\x00-\x1F\x7F-\x9F]+$")]
    id: String,
}

#[derive(ToSchema)]
pub(crate) struct EventUser {
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1F\x7F-\x9F]+$")]
    user_id: String,
    /// Not before 1970.
    #[schema(format = DateTime)]
    created_at: String,
    /// Not before 1970.
    #[schema(format = DateTime)]
    updated_at: String,
    email: Option<String>,
    email_verified: Option<bool>,
}

#[derive(ToSchema)]
pub(crate) struct EventOrganization {
    id: String,
    name: String,
    display_name: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct EventClient {
    client_id: String,
    name: String,
}

#[derive(ToSchema)]
pub(crate) struct EventConnection {
    id: String,
    name: String,
    strategy: String,
}

#[derive(ToSchema)]
pub(crate) struct EventRequest {
    ip: String,
    method: String,
    user_agent: Option<String>,
}

/// What a login has come to: what the platform does now, and what is told of each Action.
#[derive(ToSchema)]
pub(crate) struct Outcome {
    decision: Decision,
    /// Why it was denied, for the client.
    #[schema(required = false)]
    reason: String,
    /// Which Action has denied it, or has failed.
    #[schema(required = false)]
    action: String,
    /// Why it has failed, for the Action's author.
    #[schema(required = false)]
    error: BTreeMap<String, Value>,
    session: OutcomeSession,
    /// `null` where no tokens are issued.
    access_token: Option<OutcomeToken>,
    /// `null` where no tokens are issued.
    id_token: Option<OutcomeToken>,
    user: OutcomeUser,
    actions: Vec<OutcomeAction>,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decision {
    Allow,
    Deny,
    Failed,
}

#[derive(ToSchema)]
pub(crate) struct OutcomeSession {
    id: Option<String>,
    /// After the login.
    metadata: BTreeMap<String, String>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(format = DateTime)]
    idle_expires_at: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct OutcomeToken {
    claims: BTreeMap<String, Value>,
    added_scopes: Vec<String>,
    removed_scopes: Vec<String>,
}

/// Members that are set, or (`null`) removed.
#[derive(ToSchema)]
pub(crate) struct OutcomeUser {
    user_metadata: BTreeMap<String, Value>,
    app_metadata: BTreeMap<String, Value>,
}

#[derive(ToSchema)]
pub(crate) struct OutcomeAction {
    name: String,
    version: String,
    result: ActionResult,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionResult {
    Ok,
    Denied,
    Revoked,
    Failed,
    NotRun,
}

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

/// An entry of the tenant's log.
#[derive(ToSchema)]
pub(crate) struct LogEntry {
    #[serde(rename = "_id")]
    same_id: String,
    #[schema(pattern = r"^log_0[0-8][0-9]{18}$")]
    log_id: String,
    #[schema(format = DateTime)]
    date: String,
    /// `s`: a login has succeeded; `f`: it was denied, or has failed.
    #[serde(rename = "type")]
    kind: String,
    client_id: Option<String>,
    user_id: Option<String>,
    session_id: Option<String>,
    ip: Option<String>,
    description: Option<String>,
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

/// An application, as far as this server keeps it.
#[derive(ToSchema)]
pub(crate) struct Client {
    client_id: String,
    tenant: String,
    name: String,
    #[schema(required = false)]
    description: String,
    #[schema(required = false)]
    app_type: String,
    #[schema(required = false)]
    logo_uri: String,
    #[schema(required = false)]
    is_first_party: bool,
    #[schema(required = false)]
    client_metadata: BTreeMap<String, String>,
    /// As it was sent.
    #[schema(required = false)]
    oidc_logout: OidcLogout,
}

/// An application that is new.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientCreate {
    /// As the platform's events name it; made where it is missing.
    #[schema(required = false, min_length = 1, max_length = 255, pattern = r"^[!-~]+$")]
    client_id: String,
    #[schema(min_length = 1, max_length = 255, pattern = r"\S")]
    name: String,
    #[schema(max_length = 140)]
    description: Option<String>,
    #[schema(max_length = 64)]
    app_type: Option<String>,
    #[schema(max_length = 2000)]
    logo_uri: Option<String>,
    is_first_party: Option<bool>,
    client_metadata: Option<BTreeMap<String, String>>,
    oidc_logout: Option<OidcLogout>,
}

/// What changes of an application; `null` removes.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientUpdate {
    #[schema(required = false, min_length = 1, max_length = 255, pattern = r"\S")]
    name: String,
    #[schema(max_length = 140)]
    description: Option<String>,
    #[schema(max_length = 64)]
    app_type: Option<String>,
    #[schema(max_length = 2000)]
    logo_uri: Option<String>,
    is_first_party: Option<bool>,
    client_metadata: Option<BTreeMap<String, String>>,
    oidc_logout: Option<OidcLogout>,
}
