//! `/api/v2/actions/triggers/{trigger}/bindings`: which Actions run, and in which order.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State, rejection::QueryRejection};
use serde_json::{Value, json};
use vestibule::model::{TenantId, Timestamp};
use vestibule_sessions::{
    ActionName, ActionUid, Binding, BindingUid, BindingsReplaced, NewBinding, NewBindings, StoredAction, Trigger,
};

use super::given::{BindingsBody, GivenReference, ReferenceKind};
use super::shapes::{self, Refused, RefusedBody, RefusedChange};
use super::shown;
use super::versions::PageQuery;
use crate::api::SMALL_BODY;
use crate::api::object::{self, Object};
use crate::api::pages::Numbered;
use crate::app::App;
use crate::config::Scope;
use crate::error::ApiError;
use crate::registry::deploy;
use crate::request::{Caller, PathId, body};

/// The longest name of a binding, in characters.
const LONGEST_NAME: usize = 255;

/// A trigger's bindings, in the order in which they run. The Actions that the server's
/// configuration declares run before them.
#[utoipa::path(
    get,
    path = "/api/v2/actions/triggers/{trigger}/bindings",
    operation_id = "get_action_bindings",
    tag = "actions",
    params(("trigger" = shapes::TriggerName, Path, description = "The trigger."), PageQuery),
    security(("token" = ["read:actions"])),
    responses((status = 200, description = "Bindings.", body = shapes::ActionBindingPage), Refused)
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    PathId(trigger): PathId<Trigger>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let tenant = &caller.may(&[Scope::ReadActions])?.settings.id;
    let Query(query) = query.map_err(|error| ApiError::invalid_query(error.body_text()))?;
    let page = Numbered::read(query.page, query.per_page)?;
    let all = app.store().bindings(tenant, trigger).await?;
    let bindings = all.iter().skip(page.skip).take(page.take()).map(binding).collect();
    Ok(Json(page.answer("bindings", bindings, all.len() as u64)))
}

/// Makes these a trigger's bindings: all of them, in this order.
#[utoipa::path(
    patch,
    path = "/api/v2/actions/triggers/{trigger}/bindings",
    operation_id = "update_action_bindings",
    tag = "actions",
    params(("trigger" = shapes::TriggerName, Path, description = "The trigger.")),
    request_body(content = shapes::ActionBindingsUpdate, content_type = "application/json"),
    security(("token" = ["update:actions"])),
    responses((status = 200, description = "The bindings.", body = shapes::ActionBindings), Refused, RefusedBody, RefusedChange)
)]
pub(crate) async fn replace(
    State(app): State<App>,
    caller: Caller,
    PathId(trigger): PathId<Trigger>,
    request: Body,
) -> Result<Json<Value>, ApiError> {
    let tenant = caller.may(&[Scope::UpdateActions])?;
    let id = &tenant.settings.id;
    let given: BindingsBody = object::read(&body(request, SMALL_BODY).await?)?;
    let most = tenant.settings.flow_limits.actions.saturating_sub(tenant.settings.actions.len());
    if given.bindings.len() > most {
        let declared = tenant.settings.actions.len();
        return Err(ApiError::invalid_body(format!(
            "at most {most} Actions can be bound (limit `actions`, of which the server's configuration declares {declared})"
        )));
    }
    let seen = given.replaces.map(|ids| ids.iter().map(|id| id.parse::<BindingUid>()).collect::<Result<Vec<_>, _>>()).transpose();
    let seen = seen.map_err(|error| ApiError::invalid_body(format!("`replaces`: {error}")))?;
    let before = app.store().bindings(id, trigger).await?;
    let mut new = Vec::with_capacity(given.bindings.len());
    let (mut names, mut policy) = (BTreeMap::new(), None);
    for (at, Object(given)) in given.bindings.into_iter().enumerate() {
        if given.secrets.is_some_and(|secrets| !secrets.is_empty()) {
            return Err(ApiError::invalid_body("`secrets` of a binding: they are the Action's own; set them there"));
        }
        let wrong = |what: &str| ApiError::invalid_body(format!("`bindings[{at}]`: {what}"));
        let action = refer(&app, id, &given.reference.0, &before).await?.ok_or_else(|| wrong("there is no such Action"))?;
        if action.trigger != trigger {
            return Err(wrong("the Action is for another trigger"));
        }
        if let Some(deployed) = action.deployed.as_ref().filter(|_| !before.iter().any(|bound| bound.action.id == action.id)) {
            // The first one's: a policy that has changed since refuses all of it.
            let checked = deploy::check_policy(&app, tenant, &action.name, &deployed.info).await?;
            policy.get_or_insert(checked);
            deploy::check_requests(&action, &deployed.info)?;
        }
        let display_name = given.display_name.unwrap_or_else(|| action.name.as_str().to_owned());
        let length = display_name.chars().count();
        if !(1..=LONGEST_NAME).contains(&length) || display_name.chars().any(char::is_control) {
            return Err(wrong("`display_name` is a text of 1 to 255 characters, none of them a control character"));
        }
        names.insert(action.id, action.name);
        new.push(NewBinding { action: action.id, display_name });
    }
    let name = |id: &ActionUid| names.get(id).map_or_else(|| id.to_string(), ToString::to_string);
    match app.store().replace_bindings(id, trigger, NewBindings { bindings: new, seen, policy }, Timestamp::now()).await? {
        BindingsReplaced::Replaced => {}
        BindingsReplaced::Unknown(id) => return Err(ApiError::invalid_body(format!("there is no Action {id}"))),
        BindingsReplaced::NotDeployed(id) => {
            let what = format!("the Action {} has no version that runs; deploy it first", name(&id));
            return Err(ApiError::bad_request("action_not_deployed", what));
        }
        BindingsReplaced::Twice(id) => {
            return Err(ApiError::invalid_body(format!("the Action {} is there twice, and runs once", name(&id))));
        }
        BindingsReplaced::Overtaken => {
            let what = "others have changed the bindings or the policy meanwhile; look at them, and send it again";
            return Err(ApiError::conflict("overtaken", what));
        }
    }
    app.registry().changed(&app, id).await?;
    let bindings: Vec<Value> = app.store().bindings(id, trigger).await?.iter().map(binding).collect();
    Ok(Json(json!({ "bindings": bindings })))
}

/// The Action that a binding means.
async fn refer(
    app: &App,
    tenant: &TenantId,
    given: &GivenReference,
    before: &[Binding],
) -> Result<Option<StoredAction>, ApiError> {
    let wrong = |error: String| ApiError::invalid_body(format!("`ref.value`: {error}"));
    let value = given.value.as_str();
    Ok(match given.kind {
        ReferenceKind::ActionId => {
            let id: ActionUid = value.parse().map_err(|error| wrong(format!("{error}")))?;
            app.store().action(tenant, &id).await?
        }
        ReferenceKind::ActionName => {
            let name: ActionName = value.parse().map_err(|error| wrong(format!("{error}")))?;
            app.store().action_named(tenant, &name).await?
        }
        ReferenceKind::BindingId => {
            let id: BindingUid = value.parse().map_err(|error| wrong(format!("{error}")))?;
            before.iter().find(|bound| bound.id == id).map(|bound| bound.action.clone())
        }
    })
}

fn binding(binding: &Binding) -> Value {
    json!({
        "id": binding.id.to_string(),
        "trigger_id": binding.trigger.as_str(),
        "display_name": binding.display_name,
        "action": shown::action(&binding.action),
        "created_at": binding.created_at.to_string(),
        "updated_at": binding.updated_at.to_string(),
    })
}
