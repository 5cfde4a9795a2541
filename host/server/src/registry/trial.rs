//! Trying a draft: as a login would run it, and with nothing kept of it.

use std::sync::Arc;

use serde_json::Value;
use vestibule::RunContext;
use vestibule::model::{ActionId, Event};
use vestibule_sessions::StoredAction;

use super::deploy::{built, check_policy, deployed};
use super::flow::{binding, open};
use super::settings::RunSettings;
use crate::app::App;
use crate::error::ApiError;
use crate::tenant::Tenant;

/// The version that a draft is shown with.
const VERSION: &str = "draft";

/// Runs an Action's draft over an event.
pub(crate) async fn run(app: &App, tenant: &Tenant, action: &StoredAction, event: Event) -> Result<Value, ApiError> {
    let of = &tenant.settings.id;
    let draft = built(action)?;
    // It runs, so what it may use counts.
    check_policy(app, tenant, &action.name, draft.info).await?;
    let id = ActionId::new(action.name.as_str(), VERSION).map_err(|error| ApiError::internal(&error))?;
    let cached = app.registry().action_cache.insert(of, deployed(id, draft.digest, draft.info));
    let unusable = |error: String| ApiError::internal(&format_args!("a draft can't be tried: {error}"));
    let settings = RunSettings::read(&action.settings, &app.runtime().settings().limits).map_err(unusable)?;
    let sealed = app.store().secrets(of, &action.id).await?;
    let sealed = sealed.iter().map(|secret| (secret.name.as_str(), secret.key.as_str(), secret.sealed.as_slice()));
    let secrets = open(&app.registry().keys, of, &action.id.to_string(), sealed);
    let secrets = secrets.map_err(|error| unusable(error.of(action.name.to_string()).to_string()))?;
    let flow = tenant.flow(vec![binding(cached, settings, secrets)]).rehearsal();
    let outcome = app.runtime().run(&flow, Arc::new(event), &RunContext::live()).await?;
    serde_json::to_value(&outcome).map_err(|error| ApiError::internal(&error))
}
