//! `/api/v2/users/{id}/sessions`: a user's sessions.

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use vestibule::model::{SessionId, Timestamp, UserId};
use vestibule_sessions::{EndedAll, Initiator, SessionCursor};

use super::pages::{after, how_many};
use super::session_body::SessionBody;
use crate::app::App;
use crate::config::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::request::{Caller, PathId};

/// Sessions whose ends are written before the answer. More are marked as ended at once, and their
/// ends are written behind.
const ENDS_AT_ONCE: usize = 100;

/// Which page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// `next` of the page before.
    from: Option<String>,
    /// How many, 50 by default, 100 at most.
    #[param(minimum = 1, maximum = 100)]
    take: Option<usize>,
    /// Auth0's clients send it. The answer has no total.
    #[serde(rename = "include_totals")]
    #[param(rename = "include_totals")]
    _include_totals: Option<bool>,
}

/// Some of a user's sessions.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = UserSessions)]
pub(crate) struct PageBody {
    sessions: Vec<SessionBody>,
    /// Where the next page begins; missing where this is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A user's sessions, page by page.
#[utoipa::path(
    get,
    path = "/api/v2/users/{id}/sessions",
    operation_id = "get_user_sessions",
    tag = "users",
    params(("id" = String, Path, description = "The user's id.", min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1F\x7F-\x9F]+$"), PageQuery),
    security(("token" = ["read:sessions", "update:session"])),
    responses(
        (status = 200, description = "Sessions.", body = PageBody),
        (status = 400, description = "The id or the page is none.", body = ErrorBody),
        (status = 401, description = "No token, or none for this tenant.", body = ErrorBody),
        (status = 403, description = "The token's scope is too little.", body = ErrorBody),
        (status = 404, description = "No tenant is called by this host.", body = ErrorBody),
        (status = 429, description = "Too many requests.", body = ErrorBody),
        (status = 503, description = "The store can't be reached.", body = ErrorBody),
    )
)]
pub(crate) async fn sessions(
    State(app): State<App>,
    caller: Caller,
    PathId(user): PathId<UserId>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<PageBody>, ApiError> {
    let tenant = caller.may(&[Scope::ReadSessions, Scope::UpdateSession])?;
    let Query(query) = query.map_err(|error| ApiError::invalid_query(error.body_text()))?;
    let take = how_many("take", query.take)?;
    let after = after(query.from.as_deref()).map(cursor).transpose()?;
    let list = app.store().sessions_of(&tenant.settings.id, &user, after.as_ref(), take, Timestamp::now());
    let page = tenant.lists.read(list).await?;
    Ok(Json(PageBody {
        sessions: page.sessions.into_iter().map(SessionBody::from).collect(),
        next: page.next.map(|SessionCursor(id)| URL_SAFE_NO_PAD.encode(id.as_str())),
    }))
}

fn cursor(text: &str) -> Result<SessionCursor, ApiError> {
    let wrong = || ApiError::invalid_query("`from` is the `next` of another page");
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
    let id = String::from_utf8(bytes).map_err(|_| wrong())?;
    id.parse::<SessionId>().map(SessionCursor).map_err(|_| wrong())
}

/// Ends all sessions of a user, whatever their number: none of them is alive when the answer comes.
/// Applications of more than a hundred sessions get their logout tokens behind it, some at a time.
#[utoipa::path(
    delete,
    path = "/api/v2/users/{id}/sessions",
    operation_id = "delete_user_sessions",
    tag = "users",
    params(("id" = String, Path, description = "The user's id.", min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1F\x7F-\x9F]+$")),
    security(("token" = ["delete:sessions"])),
    responses(
        (status = 202, description = "All have ended."),
        (status = 400, description = "The id is none.", body = ErrorBody),
        (status = 401, description = "No token, or none for this tenant.", body = ErrorBody),
        (status = 403, description = "The token's scope is too little.", body = ErrorBody),
        (status = 404, description = "No tenant is called by this host.", body = ErrorBody),
        (status = 429, description = "Too many requests.", body = ErrorBody),
        (status = 503, description = "The store can't be written to.", body = ErrorBody),
    )
)]
pub(crate) async fn delete_sessions(
    State(app): State<App>,
    caller: Caller,
    PathId(user): PathId<UserId>,
) -> Result<StatusCode, ApiError> {
    let tenant = caller.may(&[Scope::DeleteSessions])?;
    let (initiator, now) = (Initiator::SessionRevoked, Timestamp::now());
    match app.store().end_all_of(&tenant.settings.id, &user, initiator, now, ENDS_AT_ONCE).await? {
        EndedAll::Written(_) => app.ended().notify_one(),
        EndedAll::Marked => app.marked().notify_one(),
    }
    Ok(StatusCode::ACCEPTED)
}
