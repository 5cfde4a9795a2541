//! The login event, as it is read: the JSON of `vestibule_model::Event`.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use super::{CookieMode, Device, SessionClient, SessionMethod};

/// A login event, in the shape of Auth0's post-login event. Members beyond these are ignored.
#[derive(ToSchema)]
pub(crate) struct Event {
    tenant: EventTenant,
    transaction: Option<EventTransaction>,
    session: Option<EventSession>,
    user: EventUser,
    custom_domain: Option<EventCustomDomain>,
    organization: Option<EventOrganization>,
    client: EventClient,
    connection: EventConnection,
    request: EventRequest,
    authentication: Option<EventAuthentication>,
    authorization: Option<EventAuthorization>,
    prompt: Option<EventPrompt>,
    refresh_token: Option<EventRefreshToken>,
    resource_server: Option<EventResourceServer>,
    security_context: Option<EventSecurityContext>,
    stats: Option<EventStats>,
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
    /// `oidc-basic-profile`, `samlp`, …
    protocol: Option<String>,
    requested_scopes: Option<Vec<String>>,
    requested_authorization_details: Option<Vec<BTreeMap<String, Value>>>,
    acr_values: Option<Vec<String>>,
    prompt: Option<Vec<String>>,
    login_hint: Option<String>,
    redirect_uri: Option<String>,
    response_mode: Option<String>,
    response_type: Option<Vec<String>>,
    state: Option<String>,
    locale: Option<String>,
    ui_locales: Option<Vec<String>>,
    linking_id: Option<String>,
    correlation_id: Option<String>,
    subject_token_type: Option<String>,
    actor_token_type: Option<String>,
    /// What earlier Actions of this transaction have set.
    metadata: Option<BTreeMap<String, EventTransactionValue>>,
}

/// A value of transaction metadata.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum EventTransactionValue {
    Text(String),
    Number(f64),
    Boolean(bool),
}

#[derive(ToSchema)]
pub(crate) struct EventSession {
    /// The platform's; `sid` in ID tokens.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\s\x00-\x1F\x7F-\x9F]+$")]
    id: String,
    user_id: Option<String>,
    #[schema(format = DateTime)]
    created_at: Option<String>,
    #[schema(format = DateTime)]
    updated_at: Option<String>,
    #[schema(format = DateTime)]
    authenticated_at: Option<String>,
    #[schema(format = DateTime)]
    last_interacted_at: Option<String>,
    #[schema(format = DateTime)]
    idle_expires_at: Option<String>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    device: Option<Device>,
    clients: Option<Vec<SessionClient>>,
    cookie: Option<EventCookie>,
    /// At most 25 entries, with keys and values of at most 255 characters. What is stored of a
    /// session that is known replaces it.
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(ToSchema)]
pub(crate) struct EventCookie {
    mode: CookieMode,
}

#[derive(ToSchema)]
pub(crate) struct EventUser {
    /// `sub` in ID tokens.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1F\x7F-\x9F]+$")]
    user_id: String,
    /// Not before 1970.
    #[schema(format = DateTime)]
    created_at: String,
    /// Not before 1970.
    #[schema(format = DateTime)]
    updated_at: String,
    #[schema(format = DateTime)]
    last_password_reset: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    phone_number: Option<String>,
    phone_verified: Option<bool>,
    picture: Option<String>,
    name: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    nickname: Option<String>,
    username: Option<String>,
    /// Providers of second factors that the user is enrolled with.
    multifactor: Option<Vec<String>>,
    user_metadata: Option<BTreeMap<String, Value>>,
    app_metadata: Option<BTreeMap<String, Value>>,
    identities: Option<Vec<EventIdentity>>,
    #[serde(rename = "enrolledFactors")]
    enrolled_factors: Option<Vec<EventFactor>>,
}

#[derive(ToSchema)]
pub(crate) struct EventIdentity {
    connection: String,
    provider: String,
    user_id: String,
    #[serde(rename = "isSocial")]
    is_social: Option<bool>,
    #[serde(rename = "profileData")]
    profile_data: Option<BTreeMap<String, Value>>,
}

#[derive(ToSchema)]
pub(crate) struct EventFactor {
    #[serde(rename = "type")]
    kind: String,
    method: Option<String>,
    options: Option<BTreeMap<String, Value>>,
}

/// The tenant's own domain that the login came by.
#[derive(ToSchema)]
pub(crate) struct EventCustomDomain {
    domain: String,
    domain_metadata: Option<BTreeMap<String, String>>,
}

#[derive(ToSchema)]
pub(crate) struct EventOrganization {
    id: String,
    name: String,
    display_name: Option<String>,
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(ToSchema)]
pub(crate) struct EventClient {
    client_id: String,
    name: String,
    metadata: Option<BTreeMap<String, String>>,
    refresh_token: Option<EventClientRefreshToken>,
}

#[derive(ToSchema)]
pub(crate) struct EventClientRefreshToken {
    policies: Option<Vec<BTreeMap<String, Value>>>,
}

#[derive(ToSchema)]
pub(crate) struct EventConnection {
    id: String,
    name: String,
    strategy: String,
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(ToSchema)]
pub(crate) struct EventRequest {
    ip: String,
    method: String,
    asn: Option<String>,
    user_agent: Option<String>,
    language: Option<String>,
    hostname: Option<String>,
    body: Option<BTreeMap<String, Value>>,
    query: Option<BTreeMap<String, EventQueryValue>>,
    geoip: Option<EventGeoIp>,
}

/// A parameter of a query: its value or, where it was sent more than once, its values.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum EventQueryValue {
    One(String),
    More(Vec<String>),
}

#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventGeoIp {
    city_name: Option<String>,
    continent_code: Option<String>,
    country_code: Option<String>,
    country_name: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    subdivision_code: Option<String>,
    subdivision_name: Option<String>,
    time_zone: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct EventAuthentication {
    methods: Option<Vec<SessionMethod>>,
    #[serde(rename = "riskAssessment")]
    risk_assessment: Option<EventRisk>,
}

#[derive(ToSchema)]
pub(crate) struct EventRisk {
    confidence: String,
    version: String,
    assessments: Option<BTreeMap<String, EventAssessment>>,
}

#[derive(ToSchema)]
pub(crate) struct EventAssessment {
    confidence: String,
    code: String,
    details: Option<BTreeMap<String, Value>>,
}

#[derive(ToSchema)]
pub(crate) struct EventAuthorization {
    roles: Option<Vec<String>>,
    groups: Option<Vec<EventNamed>>,
    effective_roles: Option<Vec<EventNamed>>,
}

/// A group or a role.
#[derive(ToSchema)]
pub(crate) struct EventNamed {
    id: String,
    name: String,
    description: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct EventPrompt {
    id: Option<String>,
    fields: Option<BTreeMap<String, Value>>,
    vars: Option<BTreeMap<String, Value>>,
}

/// The refresh token that is exchanged, where that is the login.
#[derive(ToSchema)]
pub(crate) struct EventRefreshToken {
    id: String,
    #[schema(format = DateTime)]
    created_at: String,
    client_id: Option<String>,
    session_id: Option<String>,
    user_id: Option<String>,
    rotating: Option<bool>,
    #[schema(format = DateTime)]
    last_exchanged_at: Option<String>,
    #[schema(format = DateTime)]
    idle_expires_at: Option<String>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    device: Option<Device>,
    metadata: Option<BTreeMap<String, String>>,
    resource_servers: Option<Vec<BTreeMap<String, Value>>>,
}

/// The API that the access token is for.
#[derive(ToSchema)]
pub(crate) struct EventResourceServer {
    identifier: Option<String>,
}

/// Fingerprints of the connection.
#[derive(ToSchema)]
pub(crate) struct EventSecurityContext {
    ja3: Option<String>,
    ja4: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct EventStats {
    #[schema(required = false)]
    logins_count: u64,
}
