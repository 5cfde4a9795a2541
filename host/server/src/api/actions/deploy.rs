//! `/api/v2/actions/actions/{id}/deploy`, and that of an older version: what logins run from then
//! on.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;
use vestibule_sessions::{ActionUid, VersionUid};

use super::given::DeployBody;
use super::shapes::{self, Refused, RefusedBody, RefusedChange};
use super::shown;
use crate::api::{SMALL_BODY, object};
use crate::app::App;
use crate::config::Scope;
use crate::error::ApiError;
use crate::registry::deploy::{Wanted, deploy};
use crate::request::{Caller, PathId, body};

/// Makes a version of the draft, and lets logins run it. The answer comes when this server runs it;
/// others do within a second.
///
/// 403 `capabilities_refused` where the policy doesn't let it use what it wants, 409
/// `capabilities_not_accepted` where it wants more than the version that runs: both with
/// `capabilities`.
#[utoipa::path(
    post,
    path = "/api/v2/actions/actions/{id}/deploy",
    operation_id = "deploy_action",
    tag = "actions",
    params(("id" = String, Path, description = "The Action's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")),
    request_body(content = Option<shapes::ActionDeploy>, content_type = "application/json"),
    security(("token" = ["update:actions"])),
    responses((status = 202, description = "The version.", body = shapes::ActionVersion), Refused, RefusedBody, RefusedChange)
)]
pub(crate) async fn draft(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ActionUid>,
    request: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let tenant = caller.may(&[Scope::UpdateActions])?;
    let given: DeployBody = object::read_or_default(&body(request, SMALL_BODY).await?)?;
    let (action, version) = deploy(&app, tenant, &id, Wanted::Draft(given.sha256), given.accept_capabilities).await?;
    Ok((StatusCode::ACCEPTED, Json(shown::version(&action, &version))))
}

/// Lets logins run an older version again, or a newer one.
#[utoipa::path(
    post,
    path = "/api/v2/actions/actions/{id}/versions/{version}/deploy",
    operation_id = "deploy_action_version",
    tag = "actions",
    params(
        ("id" = String, Path, description = "The Action's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
        ("version" = String, Path, description = "The version's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    ),
    request_body(content = Option<shapes::ActionDeploy>, content_type = "application/json"),
    security(("token" = ["update:actions"])),
    responses((status = 202, description = "The version.", body = shapes::ActionVersion), Refused, RefusedBody, RefusedChange)
)]
pub(crate) async fn version(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ActionUid>,
    PathId(version): PathId<VersionUid>,
    request: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let tenant = caller.may(&[Scope::UpdateActions])?;
    let given: DeployBody = object::read_or_default(&body(request, SMALL_BODY).await?)?;
    let wanted = Wanted::Version { id: version, update_draft: given.update_draft };
    let (action, version) = deploy(&app, tenant, &id, wanted, given.accept_capabilities).await?;
    Ok((StatusCode::ACCEPTED, Json(shown::version(&action, &version))))
}
