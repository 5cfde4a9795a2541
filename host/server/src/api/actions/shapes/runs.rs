//! What became of runs, and what Actions may use.

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::{ActionBuildError, TriggerName};
use crate::api::shapes::{ActionResult, Decision};
/// How a flow has ended: as a whole, with an Action that failed, or stopped by an Action.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExecutionStatusName {
    Final,
    Partial,
    Canceled,
}

/// What is kept of one login's Actions.
#[derive(ToSchema)]
pub(crate) struct Execution {
    id: String,
    trigger_id: TriggerName,
    status: ExecutionStatusName,
    decision: Decision,
    results: Vec<ExecutionResult>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    #[schema(required = false)]
    session_id: String,
    user_id: String,
}

#[derive(ToSchema)]
pub(crate) struct ExecutionResult {
    action_name: String,
    version: String,
    result: ActionResult,
    #[schema(required = false)]
    error: ActionBuildError,
    #[schema(format = DateTime)]
    started_at: String,
    #[schema(format = DateTime)]
    ended_at: String,
    fuel: Option<u64>,
    peak_memory_bytes: u64,
    log: Vec<ExecutionLine>,
    /// Whether there were more lines.
    log_cut: bool,
}

#[derive(ToSchema)]
pub(crate) struct ExecutionLine {
    level: String,
    message: String,
}

#[derive(ToSchema)]
pub(crate) struct ExecutionPage {
    executions: Vec<Execution>,
    /// What `from` is for the page behind; none of the last.
    #[schema(required = false)]
    next: String,
}

/// Which capabilities Actions may use.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionPolicy {
    /// Whether capabilities may be used that no rule names.
    #[schema(required = false)]
    others: PolicyOthers,
    /// A capability (`event-user.email`) or an interface (`event-user`, `http`), and who may use
    /// it: `"anyone"`, or an array of Actions' names.
    #[schema(required = false)]
    rules: BTreeMap<String, PolicyWho>,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PolicyOthers {
    Allow,
    Deny,
}

#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum PolicyWho {
    Anyone(PolicyAnyone),
    Actions(Vec<String>),
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PolicyAnyone {
    Anyone,
}

/// The tenant's policy, and the operator's: both have to let a capability pass.
#[derive(ToSchema)]
pub(crate) struct ActionPolicies {
    others: PolicyOthers,
    rules: BTreeMap<String, PolicyWho>,
    operator: ActionPolicy,
}
