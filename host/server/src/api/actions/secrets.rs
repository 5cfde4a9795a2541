//! `/api/v2/actions/actions/{id}/secrets/{name}`: one secret, which goes in and never comes out.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use vestibule::model::Timestamp;
use vestibule_sessions::{ActionChange, ActionChanged, ActionUid, SecretChange, SecretName};

use super::given::{MOST_SECRETS, SecretBody, check_value};
use super::shapes::{self, Refused, RefusedBody, RefusedChange, RefusedFull};
use super::{find, name_taken, no_action, overtaken};
use crate::api::{SMALL_BODY, object};
use crate::app::App;
use crate::config::Scope;
use crate::error::ApiError;
use crate::registry::seal::{self, SealedSecrets};
use crate::request::{Caller, PathId, body};
use crate::sealing::Sealing;

/// Sets a secret. It counts at once.
#[utoipa::path(
    put,
    path = "/api/v2/actions/actions/{id}/secrets/{name}",
    operation_id = "set_action_secret",
    tag = "actions",
    params(
        ("id" = String, Path, description = "The Action's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
        ("name" = String, Path, description = "The secret's name.", min_length = 1, max_length = 128),
    ),
    request_body(content = shapes::ActionSecretValue, content_type = "application/json"),
    security(("token" = ["update:actions"])),
    responses((status = 204, description = "The secret is set."), Refused, RefusedBody, RefusedChange, RefusedFull)
)]
pub(crate) async fn set(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ActionUid>,
    PathId(name): PathId<SecretName>,
    request: Body,
) -> Result<StatusCode, ApiError> {
    let tenant = &caller.may(&[Scope::UpdateActions])?.settings.id;
    app.storage().check(tenant)?;
    let SecretBody { value } = object::read(&body(request, SMALL_BODY).await?)?;
    check_value(name.as_str(), &value)?;
    let action = find(&app, tenant, &id).await?;
    if action.secrets.len() >= MOST_SECRETS && !action.secrets.iter().any(|secret| secret.name == name) {
        return Err(ApiError::invalid_body(format!("an Action has at most {MOST_SECRETS} secrets; remove one")));
    }
    let now = Timestamp::now();
    let SealedSecrets { mut secrets, sealing } = seal::all(&app, tenant, &id, vec![(name, value)], now).await?;
    let secret = secrets.pop().ok_or_else(|| ApiError::internal(&"nothing was sealed"))?;
    change(&app, &caller, &id, SecretChange::Set(secret), sealing, now).await
}

/// Removes a secret. One that isn't there is removed, too.
#[utoipa::path(
    delete,
    path = "/api/v2/actions/actions/{id}/secrets/{name}",
    operation_id = "delete_action_secret",
    tag = "actions",
    params(
        ("id" = String, Path, description = "The Action's id.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
        ("name" = String, Path, description = "The secret's name.", min_length = 1, max_length = 128),
    ),
    security(("token" = ["update:actions"])),
    responses((status = 204, description = "The secret is gone."), Refused, RefusedChange)
)]
pub(crate) async fn remove(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ActionUid>,
    PathId(name): PathId<SecretName>,
) -> Result<StatusCode, ApiError> {
    caller.may(&[Scope::UpdateActions])?;
    change(&app, &caller, &id, SecretChange::Remove(name), None, Timestamp::now()).await
}

async fn change(
    app: &App,
    caller: &Caller,
    id: &ActionUid,
    change: SecretChange,
    sealing: Option<Sealing>,
    now: Timestamp,
) -> Result<StatusCode, ApiError> {
    let tenant = &caller.tenant.settings.id;
    let change = ActionChange { secrets: Some(change), ..ActionChange::default() };
    let changed = app.store().change_action(tenant, id, change, None, now).await?;
    // A rotation waits no longer, however long it takes until the change is live.
    drop(sealing);
    match changed {
        ActionChanged::Changed(_) => {
            app.registry().changed(app, tenant).await?;
            Ok(StatusCode::NO_CONTENT)
        }
        ActionChanged::Absent => Err(no_action()),
        ActionChanged::NameTaken => Err(name_taken()),
        ActionChanged::Overtaken => Err(overtaken()),
    }
}
