//! What the Actions API answers, as far as this command reads it.

use std::collections::BTreeMap;
use std::ops::Deref;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use vestibule::capability::CapabilityPolicy;

/// Something as this command reads it, and all that the server has said of it, for `--json`.
#[derive(Clone, Debug)]
pub(crate) struct Answered<T> {
    read: T,
    json: Value,
}

impl<T> Deref for Answered<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.read
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Answered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Value::deserialize(deserializer)?;
        let read = T::deserialize(&json).map_err(D::Error::custom)?;
        Ok(Self { read, json })
    }
}

impl<T> Serialize for Answered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

/// An Action.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Action {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) supported_triggers: Vec<Trigger>,
    #[serde(default)]
    pub(crate) all_changes_deployed: bool,
    pub(crate) updated_at: Option<String>,
    /// Its draft's: `pending`, `building`, `built`, `failed`.
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) errors: Vec<BuildError>,
    #[serde(default)]
    pub(crate) secrets: Vec<SecretName>,
    pub(crate) deployed_version: Option<Version>,
    /// Its draft's.
    pub(crate) component: Option<Component>,
    #[serde(flatten)]
    pub(crate) settings: Settings,
}

impl Action {
    /// The trigger that it is for.
    pub(crate) fn trigger(&self) -> &str {
        self.supported_triggers.first().map_or("post-login", |trigger| &trigger.id)
    }

    /// What runs.
    pub(crate) fn running(&self) -> Option<&Component> {
        self.deployed_version.as_ref().and_then(|version| version.component.as_ref())
    }

    /// Whether its draft is this component, built.
    pub(crate) fn has_built(&self, sha256: &str) -> bool {
        self.status.as_deref() == Some("built") && self.component.as_ref().is_some_and(|draft| draft.sha256 == sha256)
    }

    /// Whether this component runs.
    pub(crate) fn runs(&self, sha256: &str) -> bool {
        self.running().is_some_and(|running| running.sha256 == sha256)
    }

    /// What the draft imports and what runs doesn't; all of it where nothing runs.
    pub(crate) fn asks_for_more(&self) -> Vec<&str> {
        let running = self.running().map(|component| component.capabilities.as_slice()).unwrap_or_default();
        let draft = self.component.iter().flat_map(|draft| &draft.capabilities);
        draft.filter(|capability| !running.contains(capability)).map(String::as_str).collect()
    }
}

/// What belongs to an Action beside its code and its secrets, effective at once.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(crate) struct Settings {
    #[serde(default)]
    pub(crate) configuration: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) allowed_origins: Vec<String>,
    #[serde(default)]
    pub(crate) limits: Map<String, Value>,
    #[serde(default = "fail_login")]
    pub(crate) on_failure: String,
}

/// What becomes of a login whose Action fails, where nobody has said.
pub(crate) fn fail_login() -> String {
    "fail-login".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Trigger {
    pub(crate) id: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct BuildError {
    #[serde(default)]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) msg: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SecretName {
    pub(crate) name: String,
    pub(crate) updated_at: Option<String>,
}

/// A component that was uploaded.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Component {
    pub(crate) sha256: String,
    #[serde(default)]
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) capabilities: Vec<String>,
    pub(crate) name: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) contract: Option<String>,
}

/// A version of an Action.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) number: u64,
    #[serde(default)]
    pub(crate) deployed: bool,
    pub(crate) created_at: Option<String>,
    pub(crate) component: Option<Component>,
}

/// An Action at its place in a trigger's order.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Binding {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) display_name: String,
    pub(crate) action: BoundAction,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct BoundAction {
    pub(crate) name: String,
    pub(crate) deployed_version: Option<Version>,
}

/// What has become of a flow.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Execution {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) trigger_id: String,
    #[serde(default)]
    pub(crate) status: String,
    pub(crate) decision: Option<Value>,
    #[serde(default)]
    pub(crate) results: Vec<ActionResult>,
    #[serde(default)]
    pub(crate) created_at: String,
    pub(crate) session_id: Option<String>,
    pub(crate) user_id: Option<String>,
}

/// What an Action has done in a flow.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ActionResult {
    pub(crate) action_name: String,
    pub(crate) version: Option<String>,
    pub(crate) error: Option<BuildError>,
    #[serde(default)]
    pub(crate) started_at: String,
    #[serde(default)]
    pub(crate) ended_at: String,
    pub(crate) result: Option<String>,
    /// None where the server doesn't count it.
    pub(crate) fuel: Option<u64>,
    pub(crate) peak_memory_bytes: Option<u64>,
    #[serde(default)]
    pub(crate) log: Vec<Value>,
    /// Whether there was more of the log.
    #[serde(default)]
    pub(crate) log_cut: bool,
}

/// Executions, the newest first, and where the next page begins.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Executions {
    pub(crate) executions: Vec<Answered<Execution>>,
    pub(crate) next: Option<String>,
}

/// An entry of the tenant's log.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LogEntry {
    pub(crate) log_id: String,
    #[serde(default)]
    pub(crate) date: String,
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
    pub(crate) description: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) session_id: Option<String>,
}

/// The policy of a tenant's capabilities: the tenant's own, and the operator's.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Policy {
    #[serde(flatten)]
    pub(crate) said: Map<String, Value>,
}

impl Policy {
    /// The tenant's own alone; none where it has none, or one that says nothing.
    ///
    /// # Errors
    /// When it speaks of something that this command doesn't know.
    pub(crate) fn own(&self) -> Result<Option<CapabilityPolicy>, serde_json::Error> {
        let own: Map<String, Value> =
            self.said.iter().filter(|(name, _)| *name != "operator").map(|(name, value)| (name.clone(), value.clone())).collect();
        let own: CapabilityPolicy = serde_json::from_value(own.into())?;
        Ok((own != CapabilityPolicy::default()).then_some(own))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_read_is_handed_on() {
        let said = json!({ "id": "1", "name": "gate", "on_failure": "continue", "new": { "thing": 7 } });
        let action: Answered<Action> = serde_json::from_value(said.clone()).unwrap();
        assert_eq!(
            (action.name.as_str(), action.trigger(), action.settings.on_failure.as_str()),
            ("gate", "post-login", "continue")
        );
        assert_eq!(serde_json::to_value(&action).unwrap(), said);
    }

    #[test]
    fn what_a_draft_asks_for_beyond_what_runs() {
        let component = |capabilities: &[&str]| json!({ "sha256": "00", "capabilities": capabilities });
        let mut said = json!({ "id": "1", "name": "gate", "component": component(&["event-user.email", "http"]) });
        let more = |said: &Value| {
            let action: Action = serde_json::from_value(said.clone()).unwrap();
            action.asks_for_more().into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(more(&said), ["event-user.email", "http"], "nothing runs yet");
        said["deployed_version"] = json!({ "id": "2", "number": 1, "component": component(&["http", "session.set-metadata"]) });
        assert_eq!(more(&said), ["event-user.email"]);
    }

    #[test]
    fn a_policy_that_says_nothing_is_none() {
        let own = |said: Value| serde_json::from_value::<Policy>(said).unwrap().own().unwrap();
        assert_eq!(own(json!({})), None);
        assert_eq!(own(json!({ "others": "allow", "rules": {}, "operator": { "others": "deny" } })), None);
        assert!(own(json!({ "others": "allow", "rules": { "http": [] } })).is_some());
        assert!(own(json!({ "others": "deny" })).is_some());
    }
}
