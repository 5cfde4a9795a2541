//! Actions as the Management API shows them. A secret is its name, and when it was set.

use serde_json::{Map, Value, json};
use vestibule_sessions::{BuildStatus, ComponentInfo, Draft, StoredAction, Trigger, Version};

use crate::registry::settings::{CONFIGURATION, LIMITS, ON_FAILURE, ORIGINS};

/// What Auth0's clients take for a version of Node.
pub(super) const RUNTIME: &str = "wasm-component";
/// The only version of the trigger, as Auth0 counts them.
pub(super) const TRIGGER_VERSION: &str = "v3";

/// An Action.
pub(super) fn action(action: &StoredAction) -> Value {
    let mut shown = head(action);
    let draft = action.draft.as_ref();
    shown.insert("runtime".to_owned(), RUNTIME.into());
    shown.insert("secrets".to_owned(), secrets(action));
    if let Some(draft) = draft {
        shown.insert("status".to_owned(), status(draft.status).into());
        shown.extend(draft.built_at.map(|at| ("built_at".to_owned(), at.to_string().into())));
        shown.insert("component".to_owned(), component_of(draft));
        let errors = draft.errors.iter().map(|error| json!({ "id": error.id, "msg": error.message }));
        shown.insert("errors".to_owned(), errors.collect());
    }
    if let Some(deployed) = &action.deployed {
        shown.insert("deployed_version".to_owned(), version(action, deployed));
    }
    for (name, default) in
        [(CONFIGURATION, json!({})), (ORIGINS, json!([])), (LIMITS, json!({})), (ON_FAILURE, "fail-login".into())]
    {
        shown.insert(name.to_owned(), action.settings.get(name).cloned().unwrap_or(default));
    }
    Value::Object(shown)
}

/// A version of an Action.
pub(super) fn version(action: &StoredAction, version: &Version) -> Value {
    let at = version.created_at.to_string();
    json!({
        "id": version.id.to_string(),
        "action_id": action.id.to_string(),
        "number": version.number,
        "deployed": action.deployed.as_ref().is_some_and(|deployed| deployed.id == version.id),
        "status": status(BuildStatus::Built),
        "built_at": version.built_at.to_string(),
        "created_at": at,
        "updated_at": at,
        "runtime": RUNTIME,
        "supported_triggers": triggers(action.trigger),
        "secrets": secrets(action),
        "action": head(action),
        "errors": [],
        "component": component(&version.digest.to_string(), version.size, Some(&version.info)),
    })
}

/// What stands of an Action where it isn't shown as a whole.
fn head(action: &StoredAction) -> Map<String, Value> {
    let mut head = Map::new();
    head.insert("id".to_owned(), action.id.to_string().into());
    head.insert("name".to_owned(), action.name.as_str().into());
    head.insert("supported_triggers".to_owned(), triggers(action.trigger));
    head.insert("all_changes_deployed".to_owned(), all_changes_deployed(action).into());
    head.insert("created_at".to_owned(), action.created_at.to_string().into());
    head.insert("updated_at".to_owned(), action.updated_at.to_string().into());
    head
}

/// Whether what was uploaded last is what runs.
fn all_changes_deployed(action: &StoredAction) -> bool {
    let deployed = action.deployed.as_ref();
    deployed.is_some_and(|deployed| action.draft.as_ref().is_none_or(|draft| draft.digest == deployed.digest))
}

fn triggers(trigger: Trigger) -> Value {
    json!([{ "id": trigger.as_str(), "version": TRIGGER_VERSION }])
}

fn secrets(action: &StoredAction) -> Value {
    let shown =
        action.secrets.iter().map(|secret| json!({ "name": secret.name.as_str(), "updated_at": secret.updated_at.to_string() }));
    shown.collect()
}

fn component_of(draft: &Draft) -> Value {
    component(&draft.digest.to_string(), draft.size, draft.info.as_ref())
}

fn component(digest: &str, size: u64, info: Option<&ComponentInfo>) -> Value {
    let mut shown = Map::new();
    shown.insert("sha256".to_owned(), digest.into());
    shown.insert("size".to_owned(), size.into());
    if let Some(info) = info {
        shown.insert("contract".to_owned(), info.contract.as_str().into());
        shown.insert("capabilities".to_owned(), info.capabilities.iter().map(String::as_str).collect());
        shown.insert("name".to_owned(), info.name.as_str().into());
        shown.insert("version".to_owned(), info.version.as_str().into());
        shown.insert("build".to_owned(), Value::Object(info.build.clone()));
    }
    Value::Object(shown)
}

/// A build's status in a word.
pub(super) fn status(status: BuildStatus) -> &'static str {
    match status {
        BuildStatus::Pending => "pending",
        BuildStatus::Building => "building",
        BuildStatus::Built => "built",
        BuildStatus::Failed => "failed",
    }
}
