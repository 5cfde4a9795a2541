//! `/api/v2/actions/actions`: a tenant's Actions.

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use vestibule::model::Timestamp;
use vestibule_sessions::{ActionCreated, ActionFilter, ActionName, ActionUid, NewAction, Trigger};

use super::given::Given;
use super::shapes::{self, Refused, RefusedBody, RefusedChange, RefusedFull};
use super::{name_taken, shown};
use crate::api::SMALL_BODY;
use crate::api::pages::Numbered;
use crate::app::App;
use crate::config::Scope;
use crate::error::ApiError;
use crate::registry::seal;
use crate::request::{Caller, body};

/// Which Actions.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActionQuery {
    /// Those of this trigger alone.
    #[serde(rename = "triggerId")]
    #[param(value_type = Option<shapes::TriggerName>)]
    trigger_id: Option<String>,
    /// The one with this name.
    #[serde(rename = "actionName")]
    #[param(min_length = 1, max_length = 128, pattern = r"^[A-Za-z0-9._()\[\]:,&+-]+( [A-Za-z0-9._()\[\]:,&+-]+)*$")]
    action_name: Option<String>,
    /// Those alone that have a version that runs, or (`false`) those that have none.
    deployed: Option<bool>,
    /// Which page, counted from nought.
    page: Option<usize>,
    /// Actions on a page, 50 by default, 100 at most.
    #[param(minimum = 1, maximum = 100)]
    per_page: Option<usize>,
}

/// A tenant's Actions by their names, page by page.
#[utoipa::path(
    get,
    path = "/api/v2/actions/actions",
    operation_id = "get_actions",
    tag = "actions",
    params(ActionQuery),
    security(("token" = ["read:actions"])),
    responses((status = 200, description = "Actions.", body = shapes::ActionPage), Refused)
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<ActionQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let caller_tenant = caller.may(&[Scope::ReadActions])?;
    let tenant = &caller_tenant.settings.id;
    let Query(query) = query.map_err(|error| ApiError::invalid_query(error.body_text()))?;
    let trigger = query.trigger_id.as_deref().map(str::parse::<Trigger>).transpose();
    let name = query.action_name.as_deref().map(str::parse::<ActionName>).transpose();
    let filter = ActionFilter {
        trigger: trigger.map_err(|_| ApiError::invalid_query("`triggerId`: there is one trigger: `post-login`"))?,
        name: name.map_err(|error| ApiError::invalid_query(format!("`actionName`: {error}")))?,
        deployed: query.deployed,
    };
    let page = Numbered::read(query.page, query.per_page)?;
    let found = caller_tenant.lists.read(app.store().actions(tenant, filter, page.skip, page.take())).await?;
    let actions = found.actions.iter().map(shown::action).collect();
    Ok(Json(page.answer("actions", actions, found.total)))
}

/// Creates an Action: its name, its settings and its secrets. Its component is uploaded afterwards.
#[utoipa::path(
    post,
    path = "/api/v2/actions/actions",
    operation_id = "create_action",
    tag = "actions",
    request_body(content = shapes::ActionCreate, content_type = "application/json"),
    security(("token" = ["create:actions"])),
    responses(
        (status = 201, description = "The Action.", body = shapes::Action,
            links(
                ("read" = (operation_id = "get_action", parameters(("id" = "$response.body#/id")))),
                ("change" = (operation_id = "update_action", parameters(("id" = "$response.body#/id")))),
                ("upload" = (operation_id = "upload_action_component", parameters(("id" = "$response.body#/id")))),
                ("deploy" = (operation_id = "deploy_action", parameters(("id" = "$response.body#/id")))),
                ("versions" = (operation_id = "get_action_versions", parameters(("id" = "$response.body#/id")))),
                ("delete" = (operation_id = "delete_action", parameters(("id" = "$response.body#/id")))),
            )),
        Refused, RefusedBody, RefusedChange, RefusedFull,
    )
)]
pub(crate) async fn create(State(app): State<App>, caller: Caller, request: Body) -> Result<(StatusCode, Json<Value>), ApiError> {
    let tenant = &caller.may(&[Scope::CreateActions])?.settings.id;
    app.storage().check(tenant)?;
    let mut given = Given::read(&body(request, SMALL_BODY).await?)?;
    let name = given.name.take().ok_or_else(|| ApiError::invalid_body("`name` is missing"))?;
    let missing = "`supported_triggers` is missing: write `[{\"id\": \"post-login\"}]`";
    let trigger = given.trigger.ok_or_else(|| ApiError::invalid_body(missing))?;
    let settings = given.settings(&Map::new(), &app.runtime().settings().limits)?.unwrap_or_default();
    let (id, now) = (ActionUid::random()?, Timestamp::now());
    let mut secrets = Vec::new();
    for (secret, value) in given.secrets.unwrap_or_default() {
        let value = value.ok_or_else(|| ApiError::invalid_body(format!("the secret `{secret}` has no `value`")))?;
        secrets.push((secret, value));
    }
    let sealed = seal::all(&app, tenant, &id, secrets, now).await?;
    let new = NewAction { id, name, trigger, settings, secrets: sealed.secrets };
    let created = app.store().create_action(tenant, new, app.registry().most_actions(), now).await?;
    drop(sealed.sealing);
    match created {
        ActionCreated::Created(action) => Ok((StatusCode::CREATED, Json(shown::action(&action)))),
        ActionCreated::NameTaken => Err(name_taken()),
        ActionCreated::TooMany => Err(ApiError::conflict(
            "too_many_actions",
            format!(
                "a tenant has at most {} Actions here (`actions.each` of the server's configuration); delete one",
                app.registry().most_actions()
            ),
        )),
    }
}
