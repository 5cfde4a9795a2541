//! The outcome of a login, as it is sent: the JSON of `vestibule_model::Outcome`.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use super::CookieMode;

/// The outcome of a login: what the platform does now, and a report of each Action.
#[derive(ToSchema)]
pub(crate) struct Outcome {
    decision: Decision,
    /// With `deny`: why, for the client.
    #[schema(required = false)]
    reason: String,
    /// With `deny` and `failed`: the Action that denied the login or failed, as `NAME@VERSION`.
    #[schema(required = false)]
    action: String,
    /// With `failed`: why, for the Action's author.
    #[schema(required = false)]
    error: ActionFailure,
    session: OutcomeSession,
    /// What goes into the access token; `null` where no tokens are issued.
    #[schema(required)]
    access_token: Option<OutcomeToken>,
    /// What goes into the ID token; `null` where no tokens are issued.
    #[schema(required)]
    id_token: Option<OutcomeToken>,
    user: OutcomeUser,
    transaction: OutcomeTransaction,
    /// What becomes of the refresh token that is exchanged; `null` where none is, or the login has
    /// failed.
    #[schema(required)]
    refresh_token: Option<OutcomeRefreshToken>,
    /// The second factor that the user has to pass before tokens are issued; `null` where none is
    /// required.
    #[schema(required)]
    multifactor: Option<OutcomeMultifactor>,
    /// What was asked of the SAML response; `null` where nothing was, or nothing is issued.
    #[schema(required)]
    saml_response: Option<OutcomeSamlResponse>,
    cache: OutcomeCache,
    /// A report of each Action, in the order of the flow.
    actions: Vec<OutcomeAction>,
}

/// Whether the login goes on.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decision {
    Allow,
    Deny,
    Failed,
}

/// What becomes of the session.
#[derive(ToSchema)]
pub(crate) struct OutcomeSession {
    /// `null` where the login has no session.
    #[schema(required)]
    id: Option<String>,
    /// The metadata after the login.
    metadata: BTreeMap<String, String>,
    /// Whether all earlier entries were removed first.
    metadata_evicted: bool,
    metadata_changes: BTreeMap<String, OutcomeMetadataChange>,
    /// The latest end that an Action has set.
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
    /// The end, unless the session is used before.
    #[schema(required, format = DateTime)]
    idle_expires_at: Option<String>,
    /// Whether the cookie outlives the browser; `null` where no Action has set it.
    #[schema(required)]
    cookie_mode: Option<CookieMode>,
    /// Whether the session ends now; `null` where it goes on.
    #[schema(required)]
    revoked: Option<OutcomeSessionRevoked>,
}

/// A change of an entry of metadata.
#[derive(ToSchema)]
pub(crate) struct OutcomeMetadataChange {
    /// `null` where the entry was removed.
    #[schema(required)]
    value: Option<String>,
    /// The Action that has changed it last, as `NAME@VERSION`.
    action: String,
}

/// The end of a session by an Action.
#[derive(ToSchema)]
pub(crate) struct OutcomeSessionRevoked {
    reason: String,
    /// Whether the session's refresh tokens stay valid.
    preserve_refresh_tokens: bool,
    /// The Action, as `NAME@VERSION`.
    action: String,
}

/// What goes into a token.
#[derive(ToSchema)]
pub(crate) struct OutcomeToken {
    claims: BTreeMap<String, Value>,
    added_scopes: Vec<String>,
    removed_scopes: Vec<String>,
}

/// Changes of the user: members that are set, or (`null`) removed.
#[derive(ToSchema)]
pub(crate) struct OutcomeUser {
    user_metadata: BTreeMap<String, Value>,
    app_metadata: BTreeMap<String, Value>,
}

/// What the Actions of this transaction share.
#[derive(ToSchema)]
pub(crate) struct OutcomeTransaction {
    metadata: BTreeMap<String, OutcomeTransactionValue>,
}

/// A value of transaction metadata.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum OutcomeTransactionValue {
    Text(String),
    Number(f64),
    Boolean(bool),
}

/// What becomes of the refresh token that is exchanged.
#[derive(ToSchema)]
pub(crate) struct OutcomeRefreshToken {
    id: String,
    /// The metadata after the login.
    metadata: BTreeMap<String, String>,
    /// Whether all earlier entries were removed first.
    metadata_evicted: bool,
    metadata_changes: BTreeMap<String, OutcomeMetadataChange>,
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
    /// The end, unless the token is exchanged before.
    #[schema(required, format = DateTime)]
    idle_expires_at: Option<String>,
    /// Whether the token ends now; `null` where it stays valid.
    #[schema(required)]
    revoked: Option<OutcomeRefreshTokenRevoked>,
}

/// The end of a refresh token by an Action.
#[derive(ToSchema)]
pub(crate) struct OutcomeRefreshTokenRevoked {
    /// The reason.
    value: String,
    /// The Action, as `NAME@VERSION`.
    action: String,
}

/// A second factor that is required.
#[derive(ToSchema)]
pub(crate) struct OutcomeMultifactor {
    provider: MultifactorProvider,
    /// Whether the browser may be remembered.
    allow_remember_browser: bool,
    /// The Action that has required it last, as `NAME@VERSION`.
    action: String,
}

/// The provider of a second factor.
#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MultifactorProvider {
    Any,
    Duo,
    GoogleAuthenticator,
    Guardian,
}

/// What was asked of the SAML response. A member that no Action has set is missing.
#[derive(ToSchema)]
pub(crate) struct OutcomeSamlResponse {
    /// Attributes of the assertion: set, or (`null`) left out.
    attributes: BTreeMap<String, Value>,
    #[schema(required = false)]
    audience: String,
    #[schema(required = false)]
    recipient: String,
    #[schema(required = false)]
    destination: String,
    #[schema(required = false)]
    issuer: String,
    #[schema(required = false)]
    relay_state: String,
    #[schema(required = false)]
    name_identifier_format: String,
    #[schema(required = false)]
    authn_context_class_ref: String,
    /// In PEM.
    #[schema(required = false)]
    signing_cert: String,
    /// In PEM.
    #[schema(required = false)]
    encryption_cert: String,
    /// In PEM.
    #[schema(required = false)]
    encryption_public_key: String,
    /// In PEM.
    #[schema(required = false)]
    cert: String,
    /// `(secret)`: the key itself is in no answer.
    #[schema(required = false)]
    key: String,
    #[schema(required = false)]
    create_upn_claim: bool,
    #[schema(required = false)]
    passthrough_claims_with_no_mapping: bool,
    #[schema(required = false)]
    map_unknown_claims_as_is: bool,
    #[schema(required = false)]
    map_identities: bool,
    #[schema(required = false)]
    sign_response: bool,
    #[schema(required = false)]
    include_attribute_name_format: bool,
    #[schema(required = false)]
    typed_attributes: bool,
    /// The attributes that the subject's `NameID` is looked for in.
    #[schema(required = false)]
    name_identifier_probes: Vec<String>,
    #[schema(required = false)]
    lifetime_in_seconds: u32,
    #[schema(required = false)]
    signature_algorithm: SamlSignatureAlgorithm,
    #[schema(required = false)]
    digest_algorithm: SamlDigestAlgorithm,
    #[schema(required = false)]
    encryption_algorithm: SamlEncryptionAlgorithm,
}

#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SamlSignatureAlgorithm {
    RsaSha256,
    RsaSha1,
}

#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SamlDigestAlgorithm {
    Sha256,
    Sha1,
}

#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SamlEncryptionAlgorithm {
    Aes256Gcm,
    Aes256Cbc,
}

/// What is kept for other logins of the tenant.
#[derive(ToSchema)]
pub(crate) struct OutcomeCache {
    changes: BTreeMap<String, OutcomeCacheChange>,
}

/// A change of the cache.
#[derive(ToSchema)]
pub(crate) struct OutcomeCacheChange {
    /// `null` where the entry was removed.
    #[schema(required)]
    value: Option<OutcomeCacheEntry>,
    /// The Action that has changed it last, as `NAME@VERSION`.
    action: String,
}

#[derive(ToSchema)]
pub(crate) struct OutcomeCacheEntry {
    value: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// The report of an Action, for its author.
#[derive(ToSchema)]
pub(crate) struct OutcomeAction {
    name: String,
    version: String,
    result: ActionResult,
    /// Why it has failed; `null` where it hasn't.
    #[schema(required)]
    error: Option<ActionFailure>,
    /// Where in its source it has failed, as `FILE:LINE:COLUMN`; `null` where that is not known.
    #[schema(required)]
    place: Option<String>,
    /// The functions that ran when it failed, the innermost first.
    trace: Vec<OutcomeFrame>,
    /// Microseconds that its sandbox existed.
    duration_us: u64,
    /// Microseconds of the processor.
    cpu_time_us: u64,
    /// WebAssembly instructions; `null` where they are not counted.
    #[schema(required)]
    fuel: Option<u64>,
    /// Bytes of linear memory at most.
    peak_memory_bytes: u64,
    /// The HTTP requests that it has sent, in their order.
    requests: Vec<OutcomeRequest>,
    logs: Vec<OutcomeLogLine>,
    /// Whether it has logged more than its budget.
    logs_cut: bool,
}

/// How an Action has ended.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionResult {
    Ok,
    Denied,
    Revoked,
    Failed,
    NotRun,
}

/// Why an Action has failed.
#[derive(ToSchema)]
pub(crate) struct ActionFailure {
    kind: ActionFailureKind,
    message: String,
    /// With `rejected`: the Action's own code.
    #[schema(required = false)]
    code: String,
    /// With `limit`: the limit that was exceeded.
    #[schema(required = false)]
    limit: String,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionFailureKind {
    Returned,
    Rejected,
    Panicked,
    Trapped,
    Exited,
    Limit,
    RequestsNotAllowed,
    Busy,
    NotLoaded,
    HostPanicked,
}

/// A function that ran when an Action failed.
#[derive(ToSchema)]
pub(crate) struct OutcomeFrame {
    /// The function and the offset in it, as `func[12]+0x34`, which `vestibule trace` reads.
    code: String,
    #[schema(required = false)]
    function: String,
    /// `FILE:LINE:COLUMN`.
    #[schema(required = false)]
    place: String,
}

/// The report of an HTTP request: no path, query, header or body.
#[derive(ToSchema)]
pub(crate) struct OutcomeRequest {
    method: String,
    /// Scheme, host and port.
    origin: String,
    /// `null` where no head of a response has arrived.
    #[schema(required)]
    status: Option<u16>,
    /// Why it has failed; `null` where it hasn't.
    #[schema(required)]
    error: Option<OutcomeRequestError>,
    bytes_sent: u64,
    bytes_received: u64,
    duration_us: u64,
}

#[derive(ToSchema)]
pub(crate) struct OutcomeRequestError {
    /// `not_connected`, `tls`, `limit`, …; more can be added.
    kind: String,
    /// The limit that was exceeded; `null` where none was.
    #[schema(required)]
    limit: Option<String>,
    message: String,
}

#[derive(ToSchema)]
pub(crate) struct OutcomeLogLine {
    level: OutcomeLogLevel,
    message: String,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutcomeLogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}
