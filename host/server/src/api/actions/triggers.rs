//! `/api/v2/actions/triggers`: when Actions run.

use axum::Json;
use serde_json::{Value, json};

use super::shapes::{self, Refused};
use super::shown::{RUNTIME, TRIGGER_VERSION};
use crate::config::Scope;
use crate::error::ApiError;
use crate::request::Caller;

/// All triggers: there is one.
#[utoipa::path(
    get,
    path = "/api/v2/actions/triggers",
    operation_id = "get_action_triggers",
    tag = "actions",
    security(("token" = ["read:actions"])),
    responses((status = 200, description = "Triggers.", body = shapes::ActionTriggers), Refused)
)]
pub(crate) async fn list(caller: Caller) -> Result<Json<Value>, ApiError> {
    caller.may(&[Scope::ReadActions])?;
    Ok(Json(json!({ "triggers": [{
        "id": "post-login",
        "version": TRIGGER_VERSION,
        "status": "CURRENT",
        "runtimes": [RUNTIME],
        "default_runtime": RUNTIME,
        "binding_policy": "trigger-bound",
        "compatible_triggers": [],
    }] })))
}
