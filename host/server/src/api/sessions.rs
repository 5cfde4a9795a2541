//! `/api/v2/sessions/{id}`: one session.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use vestibule::model::{SessionId, Timestamp};
use vestibule_sessions::Initiator;

use super::SMALL_BODY;
use super::session_body::{SessionBody, UpdateBody};
use crate::app::App;
use crate::config::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::request::{Caller, PathId, body};

fn not_found() -> ApiError {
    ApiError::not_found("inexistent_session", "The session does not exist.")
}

/// A session.
#[utoipa::path(
    get,
    path = "/api/v2/sessions/{id}",
    operation_id = "get_session",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id.", min_length = 1, max_length = 255, pattern = r"^[^\s\x00-\x1F\x7F-\x9F]+$")),
    security(("token" = ["read:sessions", "update:session"])),
    responses(
        (status = 200, description = "The session.", body = SessionBody),
        (status = 400, description = "The id is none.", body = ErrorBody),
        (status = 401, description = "No token, or none for this tenant.", body = ErrorBody),
        (status = 403, description = "The token's scope is too little.", body = ErrorBody),
        (status = 404, description = "There is no such session, or it has ended.", body = ErrorBody),
        (status = 429, description = "Too many requests.", body = ErrorBody),
        (status = 503, description = "The store can't be reached.", body = ErrorBody),
    )
)]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<SessionId>,
) -> Result<Json<SessionBody>, ApiError> {
    let tenant = caller.may(&[Scope::ReadSessions, Scope::UpdateSession])?;
    let session = app.store().session(&tenant.settings.id, &id, Timestamp::now()).await?;
    session.map(|session| Json(session.into())).ok_or_else(not_found)
}

/// Changes a session's metadata: what is given takes the place of what was there.
#[utoipa::path(
    patch,
    path = "/api/v2/sessions/{id}",
    operation_id = "update_session",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id.", min_length = 1, max_length = 255, pattern = r"^[^\s\x00-\x1F\x7F-\x9F]+$")),
    request_body = UpdateBody,
    security(("token" = ["update:sessions", "update:session"])),
    responses(
        (status = 200, description = "The session as it is now.", body = SessionBody),
        (status = 400, description = "The id or the metadata breaks a rule.", body = ErrorBody),
        (status = 401, description = "No token, or none for this tenant.", body = ErrorBody),
        (status = 403, description = "The token's scope is too little.", body = ErrorBody),
        (status = 404, description = "There is no such session, or it has ended.", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time.", body = ErrorBody),
        (status = 413, description = "The body is too large.", body = ErrorBody),
        (status = 429, description = "Too many requests.", body = ErrorBody),
        (status = 503, description = "The store can't be written to.", body = ErrorBody),
        (status = 507, description = "As much is stored for the tenant as may be.", body = ErrorBody),
    )
)]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<SessionId>,
    request: Body,
) -> Result<Json<SessionBody>, ApiError> {
    let tenant = caller.may(&[Scope::UpdateSessions, Scope::UpdateSession])?;
    let metadata = UpdateBody::metadata(&body(request, SMALL_BODY).await?)?;
    if !metadata.is_empty() {
        app.storage().check(&tenant.settings.id)?;
    }
    let session = app.store().replace_metadata(&tenant.settings.id, &id, metadata, Timestamp::now()).await?;
    session.map(|session| Json(session.into())).ok_or_else(not_found)
}

/// Ends a session. One that isn't there has ended, too.
#[utoipa::path(
    delete,
    path = "/api/v2/sessions/{id}",
    operation_id = "delete_session",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id.", min_length = 1, max_length = 255, pattern = r"^[^\s\x00-\x1F\x7F-\x9F]+$")),
    security(("token" = ["delete:sessions"])),
    responses(
        (status = 204, description = "The session has ended."),
        (status = 400, description = "The id is none.", body = ErrorBody),
        (status = 401, description = "No token, or none for this tenant.", body = ErrorBody),
        (status = 403, description = "The token's scope is too little.", body = ErrorBody),
        (status = 404, description = "No tenant is called by this host.", body = ErrorBody),
        (status = 429, description = "Too many requests.", body = ErrorBody),
        (status = 503, description = "The store can't be written to.", body = ErrorBody),
    )
)]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<SessionId>,
) -> Result<StatusCode, ApiError> {
    let tenant = caller.may(&[Scope::DeleteSessions])?;
    app.store().end(&tenant.settings.id, &id, Initiator::SessionRevoked, Timestamp::now()).await?;
    app.ended().notify_one();
    Ok(StatusCode::NO_CONTENT)
}

/// Revokes a session, and all that hangs on it.
#[utoipa::path(
    post,
    path = "/api/v2/sessions/{id}/revoke",
    operation_id = "revoke_session",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id.", min_length = 1, max_length = 255, pattern = r"^[^\s\x00-\x1F\x7F-\x9F]+$")),
    security(("token" = ["delete:sessions", "update:sessions"])),
    responses(
        (status = 204, description = "The session has ended."),
        (status = 400, description = "The id is none.", body = ErrorBody),
        (status = 401, description = "No token, or none for this tenant.", body = ErrorBody),
        (status = 403, description = "The token's scope is too little.", body = ErrorBody),
        (status = 404, description = "There is no such session, or it has ended.", body = ErrorBody),
        (status = 429, description = "Too many requests.", body = ErrorBody),
        (status = 503, description = "The store can't be written to.", body = ErrorBody),
    )
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<SessionId>,
) -> Result<StatusCode, ApiError> {
    let tenant = caller.may(&[Scope::DeleteSessions, Scope::UpdateSessions])?;
    let was_there = app.store().end(&tenant.settings.id, &id, Initiator::SessionRevoked, Timestamp::now()).await?;
    app.ended().notify_one();
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(not_found()) }
}
