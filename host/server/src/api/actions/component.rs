//! `/api/v2/actions/actions/{id}/component`: what an Action is made of.

use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use vestibule::model::{ComponentDigest, Timestamp};
use vestibule_sessions::{ActionUid, DraftPut, Keeping, VersionUid};

use super::shapes::{self, Refused, RefusedBody, RefusedFull};
use super::{find, no_action, no_version, pieces, shown};
use crate::app::App;
use crate::config::Scope;
use crate::error::ApiError;
use crate::registry::{Deployments, build};
use crate::request::{BODY_TIME, Caller, PathId, large_body};
use crate::tenant::Tenant;

/// How WebAssembly begins; and behind that the version and the layer of components.
const MAGIC: &[u8] = b"\0asm";
const COMPONENT: &[u8] = b"\x0d\0\x01\0";

/// Uploads a component, and builds it: the answer comes when that has ended, well (`status` is
/// `built`) or not (`failed`, with `errors`). The build goes on when the caller hangs up. Nothing
/// runs it yet: that is what `deploy` is for.
#[utoipa::path(
    put,
    path = "/api/v2/actions/actions/{id}/component",
    operation_id = "upload_action_component",
    tag = "actions",
    params(("id" = String, Path, description = "The Action's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")),
    request_body(content = shapes::ComponentBytes, content_type = "application/wasm", description = "The component, as `vestibule build` makes it."),
    security(("token" = ["update:actions"])),
    responses((status = 200, description = "The Action.", body = shapes::Action), Refused, RefusedBody, RefusedFull)
)]
pub(crate) async fn upload(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ActionUid>,
    headers: HeaderMap,
    request: Body,
) -> Result<Json<Value>, ApiError> {
    let caller_tenant = caller.may(&[Scope::UpdateActions])?;
    let tenant = &caller_tenant.settings.id;
    app.storage().check(tenant)?;
    let action = find(&app, tenant, &id).await?;
    let turn = Deployments::upload_turn(caller_tenant).await?;
    let limit = app.runtime().settings().host_limits.component_bytes;
    caller_tenant.upload_rate.check(Instant::now()).map_err(ApiError::too_many_requests)?;
    let bytes = large_body(&headers, request, limit).await?;
    caller_tenant.upload_rate.take(bytes.len(), Instant::now());
    if bytes.is_empty() {
        return Err(ApiError::invalid_body("the body is empty; send the component that `vestibule build` makes"));
    }
    check_preamble(&bytes)?;
    let keeping_turn = app.registry().keep_turn().await?;
    let (digest, bytes) = build::check(&app, &action.name, bytes).await?;
    let keeping = app.registry().keeping();
    match app.store().put_draft(tenant, &id, &digest, bytes, keeping, Timestamp::now()).await? {
        DraftPut::Put(_) => {}
        DraftPut::Absent => return Err(no_action()),
        DraftPut::TooManyBytes => return Err(too_many_bytes(keeping)),
    }
    drop((keeping_turn, turn));
    let action = build::build(&app, tenant, &id, &digest).await?.ok_or_else(no_action)?;
    Ok(Json(shown::action(&action)))
}

/// Whether the body begins as a component does. What doesn't is not stored.
fn check_preamble(bytes: &[u8]) -> Result<(), ApiError> {
    if !bytes.starts_with(MAGIC) {
        return Err(ApiError::bad_request(
            "not_wasm",
            "the body is no WebAssembly; send the component that `vestibule build` makes",
        ));
    }
    if bytes.get(MAGIC.len()..).is_none_or(|rest| !rest.starts_with(COMPONENT)) {
        let message = "the body is WebAssembly, and no component; send the component that `vestibule build` makes";
        return Err(ApiError::bad_request("no_component", message));
    }
    Ok(())
}

/// The component that was uploaded last.
#[utoipa::path(
    get,
    path = "/api/v2/actions/actions/{id}/component",
    operation_id = "get_action_component",
    tag = "actions",
    params(("id" = String, Path, description = "The Action's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")),
    security(("token" = ["read:actions"])),
    responses((status = 200, description = "Its bytes.", body = shapes::ComponentBytes, content_type = "application/wasm"), Refused)
)]
pub(crate) async fn download(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ActionUid>,
) -> Result<Response, ApiError> {
    let tenant = caller.may(&[Scope::ReadActions])?;
    let action = find(&app, &tenant.settings.id, &id).await?;
    let draft = action.draft.ok_or_else(no_component)?;
    answer(&app, tenant, &draft.digest).await
}

/// A version's component.
#[utoipa::path(
    get,
    path = "/api/v2/actions/actions/{id}/versions/{version}/component",
    operation_id = "get_action_version_component",
    tag = "actions",
    params(
        ("id" = String, Path, description = "The Action's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
        ("version" = String, Path, description = "The version's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    ),
    security(("token" = ["read:actions"])),
    responses((status = 200, description = "Its bytes.", body = shapes::ComponentBytes, content_type = "application/wasm"), Refused)
)]
pub(crate) async fn download_version(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ActionUid>,
    PathId(version): PathId<VersionUid>,
) -> Result<Response, ApiError> {
    let tenant = caller.may(&[Scope::ReadActions])?;
    let version = app.store().version(&tenant.settings.id, &id, &version).await?.ok_or_else(no_version)?;
    answer(&app, tenant, &version.digest).await
}

async fn answer(app: &App, tenant: &Tenant, digest: &ComponentDigest) -> Result<Response, ApiError> {
    let turn = app.registry().download_turn(tenant).await?;
    let bytes = app.store().component(&tenant.settings.id, digest).await?.ok_or_else(no_component)?;
    let mut response = pieces::send(bytes, BODY_TIME, turn).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/wasm"));
    Ok(response)
}

fn no_component() -> ApiError {
    ApiError::not_found("inexistent_component", "No component was uploaded yet; `PUT` one here.")
}

fn too_many_bytes(keeping: Keeping) -> ApiError {
    ApiError::conflict(
        "too_many_bytes",
        format!(
            "all components of a tenant have at most {} bytes here, with those of the last {} versions of each Action (`actions.kept` and \
             `actions.versions` of the server's configuration); delete an Action that isn't used",
            keeping.bytes, keeping.versions
        ),
    )
}
