//! `POST /v1/sessions/{id}/end`: the platform's word that a session has ended, and why.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use vestibule::model::{SessionId, Timestamp};
use vestibule_sessions::Initiator;

use super::SMALL_BODY;
use crate::app::App;
use crate::config::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::request::{Caller, PathId, body};

/// Why a session ends.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndBody {
    /// `rp-logout`, `idp-logout`, `password-changed`, `session-expired`, `session-revoked`,
    /// `account-deleted`, `email-identifier-changed`, `account-deactivated` or
    /// `mfa-phone-unenrolled`.
    #[schema(value_type = super::shapes::Initiator)]
    initiator: Initiator,
}

/// Ends a session, and tells its applications. One that isn't there has ended, too.
#[utoipa::path(
    post,
    path = "/v1/sessions/{id}/end",
    operation_id = "end_session",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id.", min_length = 1, max_length = 255, pattern = r"^[^\s\x00-\x1F\x7F-\x9F]+$")),
    request_body = EndBody,
    security(("token" = ["delete:sessions"])),
    responses(
        (status = 204, description = "The session has ended."),
        (status = 400, description = "The id or the initiator is none.", body = ErrorBody),
        (status = 401, description = "No token, or none for this tenant.", body = ErrorBody),
        (status = 403, description = "The token's scope is too little.", body = ErrorBody),
        (status = 404, description = "No tenant is called by this host.", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time.", body = ErrorBody),
        (status = 413, description = "The body is too large.", body = ErrorBody),
        (status = 429, description = "Too many tokens of this peer were refused. See `Retry-After`.", body = ErrorBody),
        (status = 503, description = "The store can't be written to.", body = ErrorBody),
    )
)]
pub(crate) async fn end(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<SessionId>,
    request: Body,
) -> Result<StatusCode, ApiError> {
    let tenant = caller.may(&[Scope::DeleteSessions])?;
    let bytes = body(request, SMALL_BODY).await?;
    let EndBody { initiator } = serde_json::from_slice(&bytes).map_err(|error| ApiError::invalid_body(error.to_string()))?;
    app.store().end(&tenant.settings.id, &id, initiator, Timestamp::now()).await?;
    app.ended().notify_one();
    Ok(StatusCode::NO_CONTENT)
}
