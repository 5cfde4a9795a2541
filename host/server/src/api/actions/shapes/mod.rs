//! The shapes of JSON of deployed Actions, for the OpenAPI document alone: `tests/clients` holds
//! them against what is taken and answered.

#![expect(dead_code, reason = "they are told, and never made")]

mod runs;

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::{IntoResponses, ToSchema};

use crate::api::shapes::{Event, Outcome};
use crate::error::ErrorBody;

pub(crate) use runs::*;

/// What every call of Actions may be refused with.
#[derive(IntoResponses)]
pub(crate) enum Refused {
    /// The path, the query or the body breaks a rule.
    #[response(status = 400)]
    BadRequest(ErrorBody),
    /// No token, or none for this tenant.
    #[response(status = 401)]
    NoToken(ErrorBody),
    /// The token's scope is too little; or the capability policy lets no such Action use what it
    /// wants.
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// There is no such thing.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// Too many requests.
    #[response(status = 429)]
    TooMany(ErrorBody),
    /// The store can't be reached or written to, or the server is too busy. See `Retry-After`. With
    /// `not_live_yet`, the change is written down, and this server doesn't run it yet.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}

/// What a call with a body may be refused with beside that.
#[derive(IntoResponses)]
pub(crate) enum RefusedBody {
    /// The body did not arrive in time.
    #[response(status = 408)]
    TooSlow(ErrorBody),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(ErrorBody),
}

/// What a change may be refused with beside that.
#[derive(IntoResponses)]
pub(crate) enum RefusedChange {
    /// It doesn't go together with what is there, or others have changed it at the same time.
    #[response(status = 409)]
    Conflict(ErrorBody),
}

/// What a call that stores more may be refused with beside that.
#[derive(IntoResponses)]
pub(crate) enum RefusedFull {
    /// As much is stored for the tenant as may be.
    #[response(status = 507)]
    Full(ErrorBody),
}

/// A component's bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(crate) struct ComponentBytes(Vec<u8>);

/// The name of a trigger.
#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TriggerName {
    PostLogin,
}

#[derive(ToSchema)]
pub(crate) struct ActionTrigger {
    id: TriggerName,
    version: String,
}

#[derive(ToSchema)]
pub(crate) struct ActionTriggerGiven {
    id: TriggerName,
    /// `v3`, if anything.
    #[schema(required = false)]
    version: String,
}

/// What becomes of a login when the Action fails.
#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ActionOnFailure {
    FailLogin,
    Continue,
}

/// How far the build of a component is.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionBuildStatus {
    Pending,
    Building,
    Built,
    Failed,
}

#[derive(ToSchema)]
pub(crate) struct ActionSecret {
    name: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// Why a component is no Action.
#[derive(ToSchema)]
pub(crate) struct ActionBuildError {
    id: String,
    msg: String,
}

/// A component, and what is known of it once it is built.
#[derive(ToSchema)]
pub(crate) struct ActionComponent {
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    size: u64,
    /// The contract's version that it was built for.
    #[schema(required = false)]
    contract: String,
    /// What it can see and do.
    #[schema(required = false)]
    capabilities: Vec<String>,
    /// The name that it was built with.
    #[schema(required = false)]
    name: String,
    #[schema(required = false)]
    version: String,
    /// What it says of how it was built.
    #[schema(required = false)]
    build: BTreeMap<String, Value>,
}

/// An Action, where it isn't shown as a whole.
#[derive(ToSchema)]
pub(crate) struct ActionHead {
    id: String,
    name: String,
    supported_triggers: Vec<ActionTrigger>,
    all_changes_deployed: bool,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A version of an Action, which never changes.
#[derive(ToSchema)]
pub(crate) struct ActionVersion {
    id: String,
    action_id: String,
    number: u32,
    /// Whether logins run this one.
    deployed: bool,
    status: ActionBuildStatus,
    #[schema(format = DateTime)]
    built_at: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    runtime: String,
    supported_triggers: Vec<ActionTrigger>,
    /// The Action's, as they are now.
    secrets: Vec<ActionSecret>,
    action: ActionHead,
    errors: Vec<ActionBuildError>,
    component: ActionComponent,
}

/// An Action: its settings, its draft (the component that was uploaded last), and the version that
/// logins run.
#[derive(ToSchema)]
pub(crate) struct Action {
    id: String,
    name: String,
    supported_triggers: Vec<ActionTrigger>,
    all_changes_deployed: bool,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// Of the draft.
    #[schema(required = false)]
    status: ActionBuildStatus,
    #[schema(required = false, format = DateTime)]
    built_at: String,
    #[schema(required = false)]
    errors: Vec<ActionBuildError>,
    runtime: String,
    secrets: Vec<ActionSecret>,
    #[schema(required = false)]
    deployed_version: ActionVersion,
    #[schema(required = false)]
    component: ActionComponent,
    configuration: BTreeMap<String, String>,
    allowed_origins: Vec<String>,
    limits: BTreeMap<String, Value>,
    on_failure: ActionOnFailure,
}

#[derive(ToSchema)]
pub(crate) struct ActionPage {
    actions: Vec<Action>,
    total: u64,
    page: usize,
    per_page: usize,
}

#[derive(ToSchema)]
pub(crate) struct ActionVersionPage {
    versions: Vec<ActionVersion>,
    total: u64,
    page: usize,
    per_page: usize,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionSecretGiven {
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// Of a change: without it the secret keeps what it has.
    #[schema(max_length = 4096)]
    value: Option<String>,
}

/// An Action that is new.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionCreate {
    #[schema(min_length = 1, max_length = 128, pattern = r"^[A-Za-z0-9._()\[\]:,&+-]+( [A-Za-z0-9._()\[\]:,&+-]+)*$")]
    name: String,
    #[schema(min_items = 1, max_items = 1)]
    supported_triggers: Vec<ActionTriggerGiven>,
    secrets: Option<Vec<ActionSecretGiven>>,
    /// Values that it reads by name.
    configuration: Option<BTreeMap<String, String>>,
    /// Origins that it may send HTTP requests to.
    allowed_origins: Option<Vec<String>>,
    /// Limits, where they are lower than its tenant's: `{"cpu_time": "50 ms"}`.
    limits: Option<BTreeMap<String, Value>>,
    on_failure: Option<ActionOnFailure>,
    /// Auth0's. Nothing but an empty text: a component is uploaded instead.
    #[schema(max_length = 0)]
    code: Option<String>,
    /// Auth0's. It says nothing here.
    runtime: Option<String>,
}

/// What changes of an Action: the members that are given.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionUpdate {
    #[schema(min_length = 1, max_length = 128, pattern = r"^[A-Za-z0-9._()\[\]:,&+-]+( [A-Za-z0-9._()\[\]:,&+-]+)*$")]
    name: Option<String>,
    #[schema(min_items = 1, max_items = 1)]
    supported_triggers: Option<Vec<ActionTriggerGiven>>,
    /// All that it has from now on.
    secrets: Option<Vec<ActionSecretGiven>>,
    configuration: Option<BTreeMap<String, String>>,
    allowed_origins: Option<Vec<String>>,
    limits: Option<BTreeMap<String, Value>>,
    on_failure: Option<ActionOnFailure>,
    #[schema(max_length = 0)]
    code: Option<String>,
    runtime: Option<String>,
}

/// A secret's value.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionSecretValue {
    #[schema(max_length = 4096)]
    value: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionDeploy {
    /// Whether it may see and do more than the version that runs.
    #[schema(required = false)]
    accept_capabilities: bool,
    /// Whether the draft becomes this version's, too.
    #[schema(required = false)]
    update_draft: bool,
    /// The draft's SHA-256 as the caller knows it: where it is another one by now, nothing is
    /// deployed (409 `overtaken`).
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: Option<String>,
}

/// A login that the draft is tried with.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionTest {
    payload: Event,
}

#[derive(ToSchema)]
pub(crate) struct ActionTested {
    payload: Outcome,
}

#[derive(ToSchema)]
pub(crate) struct ActionTriggers {
    triggers: Vec<ActionTriggerKind>,
}

/// A trigger.
#[derive(ToSchema)]
pub(crate) struct ActionTriggerKind {
    id: TriggerName,
    version: String,
    status: String,
    runtimes: Vec<String>,
    default_runtime: String,
    binding_policy: String,
    compatible_triggers: Vec<String>,
}

/// An Action at its place in a trigger's order.
#[derive(ToSchema)]
pub(crate) struct ActionBinding {
    id: String,
    trigger_id: TriggerName,
    display_name: String,
    action: Action,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

#[derive(ToSchema)]
pub(crate) struct ActionBindingPage {
    bindings: Vec<ActionBinding>,
    total: u64,
    page: usize,
    per_page: usize,
}

#[derive(ToSchema)]
pub(crate) struct ActionBindings {
    bindings: Vec<ActionBinding>,
}

/// All bindings of a trigger, in the order in which they run.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionBindingsUpdate {
    #[schema(max_items = 100)]
    bindings: Vec<ActionBindingGiven>,
    /// The ids of the bindings that these replace, in their order, as the caller has seen them:
    /// where they are others by now, nothing is changed (409 `overtaken`).
    replaces: Option<Vec<String>>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionBindingGiven {
    #[serde(rename = "ref")]
    reference: ActionReference,
    /// The Action's name where it is missing.
    #[schema(min_length = 1, max_length = 255)]
    display_name: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionReference {
    #[serde(rename = "type")]
    kind: ActionReferenceKind,
    value: String,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionReferenceKind {
    ActionId,
    ActionName,
    BindingId,
}
