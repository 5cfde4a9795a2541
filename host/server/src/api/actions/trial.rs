//! `/api/v2/actions/actions/{id}/test`: the draft, tried with a login that nobody has made.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use serde_json::{Value, json};
use vestibule::model::Event;
use vestibule::model::event::EVENT_BYTES;
use vestibule_sessions::ActionUid;

use super::find;
use super::given::TestBody;
use super::shapes::{self, Refused, RefusedBody};
use crate::api::object;
use crate::app::App;
use crate::config::Scope;
use crate::error::ApiError;
use crate::registry::trial;
use crate::request::{Caller, PathId, body};

/// What may stand around the event.
const AROUND: usize = 64;

/// Runs the draft over an event, with the Action's settings and secrets, and answers what a login
/// would have come to. Nothing is kept of it; requests that the Action sends are sent.
#[utoipa::path(
    post,
    path = "/api/v2/actions/actions/{id}/test",
    operation_id = "test_action",
    tag = "actions",
    params(("id" = String, Path, description = "The Action's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")),
    request_body(content = shapes::ActionTest, content_type = "application/json"),
    security(("token" = ["update:actions"])),
    responses((status = 200, description = "The outcome.", body = shapes::ActionTested), Refused, RefusedBody)
)]
pub(crate) async fn run(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ActionUid>,
    request: Body,
) -> Result<Json<Value>, ApiError> {
    let tenant = caller.may(&[Scope::UpdateActions])?;
    let TestBody { payload } = object::read(&body(request, EVENT_BYTES + AROUND).await?)?;
    let event = serde_json::to_vec(&payload).map_err(|error| ApiError::invalid_body(error.to_string()))?;
    let event = Event::from_json(&event).map_err(|error| ApiError::invalid_body(format!("`payload`: {error}")))?;
    if event.tenant.id != tenant.settings.id {
        return Err(ApiError::invalid_body("`payload.tenant.id` names another tenant than the host that is called"));
    }
    let action = find(&app, &tenant.settings.id, &id).await?;
    let outcome = trial::run(&app, tenant, &action, event).await?;
    Ok(Json(json!({ "payload": outcome })))
}
