//! `/api/v2/actions/executions`: what became of logins' Actions, for their authors.

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use serde::Deserialize;
use serde_json::{Map, Value};
use vestibule_sessions::{ActionName, Execution, ExecutionCursor, ExecutionFilter, ExecutionStatus, ExecutionUid};

use super::shapes::{self, Refused};
use crate::api::pages::{after, how_many};
use crate::app::App;
use crate::config::Scope;
use crate::error::ApiError;
use crate::request::{Caller, PathId};

/// Which executions.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExecutionQuery {
    /// How many, 50 by default, 100 at most.
    #[param(minimum = 1, maximum = 100)]
    take: Option<usize>,
    /// `next` of the page before; empty for the first one.
    from: Option<String>,
    /// Those of an Action with this name alone.
    #[param(min_length = 1, max_length = 128, pattern = r"^[A-Za-z0-9._()\[\]:,&+-]+( [A-Za-z0-9._()\[\]:,&+-]+)*$")]
    action: Option<String>,
    /// Those that have ended so alone.
    #[param(value_type = Option<shapes::ExecutionStatusName>)]
    status: Option<String>,
}

/// Executions, the newest first. They are written a moment after their logins were answered.
#[utoipa::path(
    get,
    path = "/api/v2/actions/executions",
    operation_id = "get_action_executions",
    tag = "actions",
    params(ExecutionQuery),
    security(("token" = ["read:actions"])),
    responses((status = 200, description = "Executions.", body = shapes::ExecutionPage), Refused)
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<ExecutionQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let caller_tenant = caller.may(&[Scope::ReadActions])?;
    let tenant = &caller_tenant.settings.id;
    let Query(query) = query.map_err(|error| ApiError::invalid_query(error.body_text()))?;
    let take = how_many("take", query.take)?;
    let from = after(query.from.as_deref()).map(str::parse::<ExecutionCursor>).transpose();
    let from = from.map_err(|error| ApiError::invalid_query(format!("`from`: {error}")))?;
    let action = query.action.as_deref().map(str::parse::<ActionName>).transpose();
    let known = |text: &str| ExecutionStatus::ALL.into_iter().find(|status| status.as_str() == text);
    let status = query.status.as_deref().map(|text| known(text).ok_or(())).transpose();
    let filter = ExecutionFilter {
        action: action.map_err(|error| ApiError::invalid_query(format!("`action`: {error}")))?,
        status: status.map_err(|()| ApiError::invalid_query("`status` is `final`, `partial` or `canceled`"))?,
    };
    let page = caller_tenant.lists.read(app.store().executions(tenant, filter, from, take)).await?;
    let mut answer = Map::new();
    answer.insert("executions".to_owned(), page.executions.into_iter().map(shown).collect());
    answer.extend(page.next.map(|next| ("next".to_owned(), next.to_string().into())));
    Ok(Json(Value::Object(answer)))
}

/// An execution. Its id stands in the tenant's log, in `details.execution_id`.
#[utoipa::path(
    get,
    path = "/api/v2/actions/executions/{id}",
    operation_id = "get_action_execution",
    tag = "actions",
    params(("id" = String, Path, description = "The execution's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")),
    security(("token" = ["read:actions"])),
    responses((status = 200, description = "The execution.", body = shapes::Execution), Refused)
)]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ExecutionUid>,
) -> Result<Json<Value>, ApiError> {
    let tenant = &caller.may(&[Scope::ReadActions])?.settings.id;
    let found = app.store().execution(tenant, &id).await?;
    let found = found.ok_or_else(|| ApiError::not_found("inexistent_execution", "The execution does not exist."))?;
    Ok(Json(shown(found)))
}

fn shown(execution: Execution) -> Value {
    let mut shown = execution.body;
    shown.insert("id".to_owned(), execution.id.to_string().into());
    shown.insert("trigger_id".to_owned(), execution.trigger.as_str().into());
    shown.insert("status".to_owned(), execution.status.as_str().into());
    shown.insert("created_at".to_owned(), execution.started_at.to_string().into());
    shown.insert("updated_at".to_owned(), execution.ended_at.to_string().into());
    Value::Object(shown)
}
