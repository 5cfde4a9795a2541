//! `/api/v2/actions/actions/{id}`: one Action.

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use vestibule::model::Timestamp;
use vestibule_sessions::{ActionChange, ActionChanged, ActionDeleted, ActionUid, SecretChange};

use super::given::Given;
use super::shapes::{self, Refused, RefusedBody, RefusedChange, RefusedFull};
use super::{find, name_taken, no_action, overtaken, shown};
use crate::api::SMALL_BODY;
use crate::app::App;
use crate::config::Scope;
use crate::error::ApiError;
use crate::registry::{deploy, seal};
use crate::request::{Caller, PathId, body};

/// How often a change is made anew whose Action others have changed in the meantime.
const TRIES: usize = 5;

/// An Action.
#[utoipa::path(
    get,
    path = "/api/v2/actions/actions/{id}",
    operation_id = "get_action",
    tag = "actions",
    params(("id" = String, Path, description = "The Action's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")),
    security(("token" = ["read:actions"])),
    responses((status = 200, description = "The Action.", body = shapes::Action), Refused)
)]
pub(crate) async fn read(State(app): State<App>, caller: Caller, PathId(id): PathId<ActionUid>) -> Result<Json<Value>, ApiError> {
    let tenant = &caller.may(&[Scope::ReadActions])?.settings.id;
    Ok(Json(shown::action(&find(&app, tenant, &id).await?)))
}

/// Changes an Action's name, settings and secrets: those that are given. They count at once,
/// without a deployment.
#[utoipa::path(
    patch,
    path = "/api/v2/actions/actions/{id}",
    operation_id = "update_action",
    tag = "actions",
    params(("id" = String, Path, description = "The Action's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")),
    request_body(content = shapes::ActionUpdate, content_type = "application/json"),
    security(("token" = ["update:actions"])),
    responses((status = 200, description = "The Action.", body = shapes::Action), Refused, RefusedBody, RefusedChange, RefusedFull)
)]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ActionUid>,
    request: Body,
) -> Result<Json<Value>, ApiError> {
    let tenant = caller.may(&[Scope::UpdateActions])?;
    app.storage().check(&tenant.settings.id)?;
    let mut given = Given::read(&body(request, SMALL_BODY).await?)?;
    let (tenant_id, now) = (&tenant.settings.id, Timestamp::now());
    let (mut set, mut keep) = (Vec::new(), Vec::new());
    let replaces_secrets = given.secrets.is_some();
    for (secret, value) in given.secrets.take().unwrap_or_default() {
        match value {
            Some(value) => set.push((secret, value)),
            None => keep.push(secret),
        }
    }
    let sealed = seal::all(&app, tenant_id, &id, set, now).await?;
    for _ in 0..TRIES {
        let action = find(&app, tenant_id, &id).await?;
        if given.trigger.is_some_and(|trigger| trigger != action.trigger) {
            return Err(ApiError::invalid_body("`supported_triggers`: an Action's trigger does not change"));
        }
        if let Some(unknown) = keep.iter().find(|name| !action.secrets.iter().any(|secret| secret.name == **name)) {
            return Err(ApiError::invalid_body(format!("the secret `{unknown}` is not there yet, so that it needs a `value`")));
        }
        let settings = given.settings(&action.settings, &app.runtime().settings().limits)?;
        let mut policy = None;
        if let Some(deployed) = &action.deployed {
            if let Some(name) = given.name.as_ref().filter(|name| **name != action.name) {
                // A policy knows Actions by their names.
                policy = Some(deploy::check_policy(&app, tenant, name, &deployed.info).await?);
            }
            if let Some(settings) = &settings {
                deploy::check_requests_with(&action, settings, &deployed.info)?;
            }
        }
        let change = ActionChange {
            name: given.name.clone(),
            settings,
            policy,
            secrets: replaces_secrets.then(|| SecretChange::Replace { keep: keep.clone(), set: sealed.secrets.clone() }),
        };
        match app.store().change_action(tenant_id, &id, change, Some(action.revision), now).await? {
            ActionChanged::Changed(action) => {
                // It is written down: a rotation waits no longer, however long it takes until it is
                // live.
                drop(sealed);
                app.registry().changed(&app, tenant_id).await?;
                return Ok(Json(shown::action(&action)));
            }
            ActionChanged::Absent => return Err(no_action()),
            ActionChanged::NameTaken => return Err(name_taken()),
            ActionChanged::Overtaken => {}
        }
    }
    Err(overtaken())
}

/// How an Action is deleted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteQuery {
    /// Whether its bindings go with it. Without it, an Action that is bound is not deleted.
    force: Option<bool>,
}

/// Deletes an Action with its versions, its secrets and its components.
#[utoipa::path(
    delete,
    path = "/api/v2/actions/actions/{id}",
    operation_id = "delete_action",
    tag = "actions",
    params(("id" = String, Path, description = "The Action's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"), DeleteQuery),
    security(("token" = ["delete:actions"])),
    responses((status = 204, description = "The Action is gone."), Refused, RefusedChange)
)]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ActionUid>,
    query: Result<Query<DeleteQuery>, QueryRejection>,
) -> Result<StatusCode, ApiError> {
    let tenant = &caller.may(&[Scope::DeleteActions])?.settings.id;
    let Query(query) = query.map_err(|error| ApiError::invalid_query(error.body_text()))?;
    match app.store().delete_action(tenant, &id, query.force.unwrap_or_default(), Timestamp::now()).await? {
        ActionDeleted::Deleted => {
            app.registry().changed(&app, tenant).await?;
            Ok(StatusCode::NO_CONTENT)
        }
        ActionDeleted::Absent => Err(no_action()),
        ActionDeleted::Bound => Err(ApiError::conflict(
            "action_bound",
            "this Action is bound to a trigger; take it out of the bindings first, or delete it with `?force=true`",
        )),
    }
}
