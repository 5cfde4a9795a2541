//! `/api/v2/actions/actions/{id}/versions`: what an Action was and is.

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use serde::Deserialize;
use serde_json::Value;
use vestibule_sessions::{ActionUid, VersionUid};

use super::shapes::{self, Refused};
use super::{find, no_action, no_version, shown};
use crate::api::pages::Numbered;
use crate::app::App;
use crate::config::Scope;
use crate::error::ApiError;
use crate::request::{Caller, PathId};

/// Which page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Which page, counted from nought.
    pub(super) page: Option<usize>,
    /// Rows on a page, 50 by default, 100 at most.
    #[param(minimum = 1, maximum = 100)]
    pub(super) per_page: Option<usize>,
}

/// An Action's versions, the newest first.
#[utoipa::path(
    get,
    path = "/api/v2/actions/actions/{id}/versions",
    operation_id = "get_action_versions",
    tag = "actions",
    params(("id" = String, Path, description = "The Action's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"), PageQuery),
    security(("token" = ["read:actions"])),
    responses((status = 200, description = "Versions.", body = shapes::ActionVersionPage), Refused)
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ActionUid>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let caller_tenant = caller.may(&[Scope::ReadActions])?;
    let tenant = &caller_tenant.settings.id;
    let Query(query) = query.map_err(|error| ApiError::invalid_query(error.body_text()))?;
    let page = Numbered::read(query.page, query.per_page)?;
    let action = find(&app, tenant, &id).await?;
    let list = app.store().versions(tenant, &id, page.skip, page.take());
    let found = caller_tenant.lists.read(list).await?.ok_or_else(no_action)?;
    let versions = found.versions.iter().map(|version| shown::version(&action, version)).collect();
    Ok(Json(page.answer("versions", versions, found.total)))
}

/// A version.
#[utoipa::path(
    get,
    path = "/api/v2/actions/actions/{id}/versions/{version}",
    operation_id = "get_action_version",
    tag = "actions",
    params(
        ("id" = String, Path, description = "The Action's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
        ("version" = String, Path, description = "The version's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    ),
    security(("token" = ["read:actions"])),
    responses((status = 200, description = "The version.", body = shapes::ActionVersion), Refused)
)]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ActionUid>,
    PathId(version): PathId<VersionUid>,
) -> Result<Json<Value>, ApiError> {
    let tenant = &caller.may(&[Scope::ReadActions])?.settings.id;
    let action = find(&app, tenant, &id).await?;
    let version = app.store().version(tenant, &id, &version).await?.ok_or_else(no_version)?;
    Ok(Json(shown::version(&action, &version)))
}
