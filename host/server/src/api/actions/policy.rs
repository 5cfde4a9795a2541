//! `/api/v2/actions/policy`: which capabilities a tenant's Actions may use. The operator's, in the
//! server's configuration, counts beside it.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value};
use vestibule::capability::CapabilityPolicy;
use vestibule::model::Timestamp;

use super::shapes::{self, Refused, RefusedBody};
use crate::api::{SMALL_BODY, object};
use crate::app::App;
use crate::config::Scope;
use crate::error::ApiError;
use crate::registry::deploy::tenants_policy;
use crate::request::{Caller, body};
use crate::tenant::Tenant;

/// The tenant's policy, and the operator's.
#[utoipa::path(
    get,
    path = "/api/v2/actions/policy",
    operation_id = "get_action_policy",
    tag = "actions",
    security(("token" = ["read:actions"])),
    responses((status = 200, description = "The policies.", body = shapes::ActionPolicies), Refused)
)]
pub(crate) async fn read(State(app): State<App>, caller: Caller) -> Result<Json<Value>, ApiError> {
    let tenant = caller.may(&[Scope::ReadActions])?;
    let (own, _) = tenants_policy(&app, &tenant.settings.id).await?;
    Ok(Json(shown(tenant, &own)?))
}

/// Makes this the tenant's policy. It counts for what is deployed, bound and renamed from now on;
/// what runs goes on.
#[utoipa::path(
    put,
    path = "/api/v2/actions/policy",
    operation_id = "set_action_policy",
    tag = "actions",
    request_body(content = shapes::ActionPolicy, content_type = "application/json"),
    security(("token" = ["update:action_policy"])),
    responses((status = 200, description = "The policies.", body = shapes::ActionPolicies), Refused, RefusedBody)
)]
pub(crate) async fn replace(State(app): State<App>, caller: Caller, request: Body) -> Result<Json<Value>, ApiError> {
    let tenant = caller.may(&[Scope::UpdateActionPolicy])?;
    let given: Map<String, Value> = object::read(&body(request, SMALL_BODY).await?)?;
    let read = serde_json::from_value::<CapabilityPolicy>(Value::Object(given));
    let policy = read.map_err(|error| ApiError::invalid_body(error.to_string()))?;
    let body = serde_json::to_value(&policy).ok().and_then(|value| value.as_object().cloned()).ok_or_else(not_an_object)?;
    app.store().set_policy(&tenant.settings.id, Some(body), Timestamp::now()).await?;
    Ok(Json(shown(tenant, &policy)?))
}

/// Deletes the tenant's policy: everything is allowed that the operator allows.
#[utoipa::path(
    delete,
    path = "/api/v2/actions/policy",
    operation_id = "delete_action_policy",
    tag = "actions",
    security(("token" = ["update:action_policy"])),
    responses((status = 204, description = "The tenant has no policy."), Refused)
)]
pub(crate) async fn delete(State(app): State<App>, caller: Caller) -> Result<StatusCode, ApiError> {
    let tenant = caller.may(&[Scope::UpdateActionPolicy])?;
    app.store().set_policy(&tenant.settings.id, None, Timestamp::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn not_an_object() -> ApiError {
    ApiError::internal(&"a capability policy is no object")
}

fn shown(tenant: &Tenant, own: &CapabilityPolicy) -> Result<Value, ApiError> {
    let json = |policy: &CapabilityPolicy| serde_json::to_value(policy).map_err(|error| ApiError::internal(&error));
    let mut shown = json(own)?;
    let operator = json(&tenant.settings.capabilities)?;
    let object = shown.as_object_mut().ok_or_else(not_an_object)?;
    object.insert("operator".to_owned(), operator);
    Ok(shown)
}
