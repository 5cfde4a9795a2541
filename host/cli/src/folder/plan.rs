//! What has to be done so that a server has what a folder says.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use vestibule::capability::CapabilityPolicy;

use super::files::Folder;
use super::manifest::Entry;
use super::state::State;
use crate::deploying::sha256;
use crate::remote::shapes::{Action, Component, Settings};
use crate::table::{Table, kilobytes};

/// One thing that is done. In the order in which they are done.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Step {
    /// Sets the tenant's policy, or takes it away.
    Policy { policy: Option<CapabilityPolicy> },
    /// Makes an Action, without code.
    Create { action: String, trigger: String, settings: Map<String, Value> },
    /// Changes settings of an Action.
    Change { action: String, settings: Map<String, Value> },
    /// Sets a secret.
    Secret { action: String, secret: String },
    /// Removes a secret.
    RemoveSecret { action: String, secret: String },
    /// Uploads the folder's component.
    Upload {
        action: String,
        #[serde(skip)]
        component: Bytes,
    },
    /// Makes a version of the draft, and has logins run it.
    Deploy {
        action: String,
        /// Which component that is.
        sha256: String,
        /// What it may see and do; where nobody says, no more than what runs.
        capabilities: Option<BTreeSet<String>>,
    },
    /// Replaces a trigger's bindings: names in their order, each with what it is called there.
    Bind { trigger: String, order: Vec<(String, String)> },
    /// Deletes an Action.
    Delete { action: String },
}

/// What is to be done, in its order.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// What differs and is left as it is.
    pub(crate) notes: Vec<String>,
}

/// What has to be done. Where `prune` is set, what the folder doesn't have goes.
pub(crate) fn plan(state: &State, folder: &Folder, prune: bool) -> Result<Plan> {
    let manifest = &folder.manifest;
    let mut plan = Plan::default();
    // First: what is deployed below is held against it.
    if manifest.policy != state.policy && (manifest.policy.is_some() || prune) {
        plan.steps.push(Step::Policy { policy: manifest.policy.clone() });
    } else if manifest.policy != state.policy {
        plan.notes.push("the tenant has a policy, and the folder none; --prune takes it away".to_owned());
    }
    for (name, entry) in &manifest.actions {
        plan.action(name, entry, state.actions.get(name).map(|action| &**action), folder.components.get(name), prune)?;
    }
    plan.bindings(state, folder);
    for name in state.actions.keys().filter(|name| !manifest.actions.contains_key(*name)) {
        if prune {
            plan.steps.push(Step::Delete { action: name.clone() });
        } else {
            plan.notes.push(format!("{name} is not in the folder; --prune deletes it"));
        }
    }
    Ok(plan)
}

impl Plan {
    fn action(
        &mut self,
        name: &str,
        entry: &Entry,
        there: Option<&Action>,
        component: Option<&Bytes>,
        prune: bool,
    ) -> Result<()> {
        let action = || name.to_owned();
        if there.is_none() {
            let settings = changes(&Settings::default(), &entry.settings())?;
            self.steps.push(Step::Create { action: action(), trigger: entry.trigger.clone(), settings });
        }
        let sha256 = component.map(|component| sha256(component));
        let (mut is_draft, mut runs) = (false, false);
        if let (Some(there), Some(sha256)) = (there, &sha256) {
            (is_draft, runs) = (there.has_built(sha256), there.runs(sha256));
        }
        // It takes long and changes nothing that logins run, so it comes before what changes that.
        if let Some(component) = component
            && !is_draft
            && !(entry.deployed && runs)
        {
            self.steps.push(Step::Upload { action: action(), component: component.clone() });
        }
        if let Some(there) = there {
            if there.trigger() != entry.trigger {
                bail!(
                    "{name} is for {} there, and for {} in the folder; an Action's trigger can't change",
                    there.trigger(),
                    entry.trigger
                );
            }
            let settings = changes(&there.settings, &entry.settings())?;
            if !settings.is_empty() {
                self.steps.push(Step::Change { action: action(), settings });
            }
        }
        let has = |secret: &String| there.is_some_and(|there| there.secrets.iter().any(|known| known.name == *secret));
        for secret in entry.secrets.iter().filter(|secret| !has(secret)) {
            self.steps.push(Step::Secret { action: action(), secret: secret.clone() });
        }
        if let Some(sha256) = sha256.filter(|_| entry.deployed && !runs) {
            self.steps.push(Step::Deploy { action: action(), sha256, capabilities: entry.capabilities.clone() });
        }
        // What ran until now may have read them.
        for secret in there.iter().flat_map(|there| &there.secrets).filter(|secret| !entry.secrets.contains(&secret.name)) {
            if prune {
                self.steps.push(Step::RemoveSecret { action: action(), secret: secret.name.clone() });
            } else {
                self.notes.push(format!("{name} has a secret {} that is not in the folder; --prune removes it", secret.name));
            }
        }
        Ok(())
    }

    fn bindings(&mut self, state: &State, folder: &Folder) {
        let manifest = &folder.manifest;
        let called = |name: &String| {
            let entry = manifest.actions.get(name);
            entry.and_then(|entry| entry.display_name.clone()).unwrap_or_else(|| name.clone())
        };
        let mut wanted: BTreeMap<&String, Vec<(String, String)>> =
            state.bindings.keys().map(|trigger| (trigger, Vec::new())).collect();
        for (trigger, names) in &manifest.bindings {
            wanted.insert(trigger, names.iter().map(|name| (name.clone(), called(name))).collect());
        }
        for (trigger, order) in wanted {
            if state.bindings.get(trigger).map(Vec::as_slice).unwrap_or_default() != order {
                self.steps.push(Step::Bind { trigger: trigger.clone(), order });
            }
        }
    }

    /// The plan as people read it.
    pub(crate) fn shown(&self, state: &State) -> Table {
        let mut table = Table::default();
        for step in &self.steps {
            let names = |order: &[(String, String)]| match order {
                [] => "nothing".to_owned(),
                order => order.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "),
            };
            let settings = |settings: &Map<String, Value>| settings.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let (sign, what, of, more) = match step {
                Step::Policy { policy: Some(_) } => ("~", "set", "the policy", String::new()),
                Step::Policy { policy: None } => ("-", "remove", "the policy", String::new()),
                Step::Create { action, trigger, .. } => ("+", "create", action.as_str(), format!("for {trigger}")),
                Step::Change { action, settings: changed } => ("~", "change", action.as_str(), settings(changed)),
                Step::Secret { action, secret } => ("+", "set secret", action.as_str(), secret.clone()),
                Step::RemoveSecret { action, secret } => ("-", "remove secret", action.as_str(), secret.clone()),
                Step::Upload { action, component } => ("~", "upload", action.as_str(), kilobytes(component.len())),
                Step::Deploy { action, capabilities, .. } => {
                    let running = state.actions.get(action).and_then(|action| action.running());
                    ("~", "deploy", action.as_str(), more(running, capabilities.as_ref()))
                }
                Step::Bind { trigger, order } => {
                    let before = state.bindings.get(trigger).map(Vec::as_slice).unwrap_or_default();
                    ("~", "bind", trigger.as_str(), format!("{} (before: {})", names(order), names(before)))
                }
                Step::Delete { action } => ("-", "delete", action.as_str(), "with its versions and secrets".to_owned()),
            };
            table.row([sign, what, of, &more]);
        }
        table
    }
}

/// What a version may see and do and the one that runs doesn't.
fn more(running: Option<&Component>, allowed: Option<&BTreeSet<String>>) -> String {
    let (Some(running), Some(allowed)) = (running, allowed) else { return String::new() };
    let more: Vec<&str> = allowed.iter().filter(|name| !running.capabilities.contains(name)).map(String::as_str).collect();
    if more.is_empty() { String::new() } else { format!("which may use {} from now on", more.join(", ")) }
}

/// The members of settings that are to be others.
fn changes(there: &Settings, wanted: &Settings) -> Result<Map<String, Value>> {
    let before = serde_json::to_value(there)?;
    let Value::Object(mut changed) = serde_json::to_value(wanted)? else { bail!("settings are an object") };
    changed.retain(|name, value| before[name.as_str()] != *value);
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::folder::manifest::Manifest;

    const GATE: &[u8] = b"the gate";

    fn folder(text: &str) -> Folder {
        let manifest = Manifest::parse(text).unwrap();
        let components = manifest.actions.iter().filter(|(_, entry)| entry.component.is_some());
        let components = components.map(|(name, _)| (name.clone(), Bytes::from_static(GATE))).collect();
        Folder { manifest, components }
    }

    /// A server with the Action gate, which runs this component and has this draft.
    fn gate(running: Option<&[u8]>, draft: Option<&[u8]>, more: &Value) -> State {
        let component = |bytes: &[u8]| json!({ "sha256": sha256(bytes), "size": bytes.len(), "capabilities": ["log.write"] });
        let mut said = json!({
            "id": "1", "name": "gate", "supported_triggers": [{ "id": "post-login" }], "on_failure": "fail-login",
            "deployed_version": running.map(|bytes| json!({ "id": "v", "number": 1, "component": component(bytes) })),
            "status": draft.map(|_| "built"), "component": draft.map(component),
        });
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let action = serde_json::from_value(said).unwrap();
        State { actions: [("gate".to_owned(), action)].into(), ..State::default() }
    }

    fn steps(state: &State, text: &str, prune: bool) -> Vec<Value> {
        let plan = plan(state, &folder(text), prune).unwrap();
        plan.steps.iter().map(|step| serde_json::to_value(step).unwrap()).collect()
    }

    const FOLDER: &str = r#"
        bindings.post-login = ["gate"]
        policy.others = "deny"
        [actions.gate]
        component = "gate.wasm"
        capabilities = ["log.write"]
        secrets = ["KEY"]
        configuration.a = "1"
    "#;

    #[test]
    fn nothing_is_there_so_all_of_it_is_done_in_an_order_that_works() {
        assert_eq!(
            steps(&State::default(), FOLDER, false),
            [
                json!({ "do": "policy", "policy": { "others": "deny", "rules": {} } }),
                json!({ "do": "create", "action": "gate", "trigger": "post-login", "settings": { "configuration": { "a": "1" }, "on_failure": "fail-login" } }),
                json!({ "do": "upload", "action": "gate" }),
                json!({ "do": "secret", "action": "gate", "secret": "KEY" }),
                json!({ "do": "deploy", "action": "gate", "sha256": sha256(GATE), "capabilities": ["log.write"] }),
                json!({ "do": "bind", "trigger": "post-login", "order": [["gate", "gate"]] }),
            ]
        );
    }

    #[test]
    fn what_is_as_the_folder_says_is_left_alone() {
        let more = json!({ "secrets": [{ "name": "KEY" }], "configuration": { "a": "1" } });
        let mut state = gate(Some(GATE), Some(b"a draft of somebody's"), &more);
        state.bindings.insert("post-login".into(), vec![("gate".into(), "gate".into())]);
        state.policy = serde_json::from_value(json!({ "others": "deny" })).ok();
        assert_eq!(plan(&state, &folder(FOLDER), true).unwrap(), Plan::default());
        assert_eq!(folder(FOLDER).manifest.actions["gate"].settings(), state.actions["gate"].settings);
    }

    #[test]
    fn a_component_is_uploaded_and_deployed_only_where_it_is_missing() {
        let text = "[actions.gate]\ncomponent = \"gate.wasm\"";
        let dones = |state: &State, text: &str| {
            steps(state, text, false).iter().map(|step| step["do"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let none = json!({});
        assert_eq!(dones(&gate(None, None, &none), text), ["upload", "deploy"]);
        assert_eq!(dones(&gate(Some(b"other"), Some(b"other"), &none), text), ["upload", "deploy"]);
        assert_eq!(dones(&gate(Some(b"other"), Some(GATE), &none), text), ["deploy"]);
        let draft = format!("{text}\ndeployed = false");
        assert_eq!(dones(&gate(None, None, &none), &draft), ["upload"]);
        assert!(dones(&gate(None, Some(GATE), &none), &draft).is_empty());
        assert_eq!(dones(&gate(None, Some(GATE), &json!({ "status": "failed" })), &draft), ["upload"]);
    }

    #[test]
    fn what_runs_keeps_what_it_reads_until_its_successor_runs() {
        let more = json!({ "secrets": [{ "name": "OLD" }], "configuration": { "a": "1" } });
        let state = gate(Some(b"other"), Some(b"other"), &more);
        let text = "[actions.gate]\ncomponent = \"gate.wasm\"\nsecrets = [\"NEW\"]\ncapabilities = [\"http\", \"log.write\"]";
        let all = steps(&state, text, true);
        let dones: Vec<&str> = all.iter().map(|step| step["do"].as_str().unwrap()).collect();
        assert_eq!(dones, ["upload", "change", "secret", "deploy", "remove-secret"]);
        let shown = plan(&state, &folder(text), true).unwrap().shown(&state).to_string();
        assert!(shown.contains("gate  which may use http from now on"), "{shown}");
    }

    #[test]
    fn only_settings_that_differ_are_changed() {
        let state = gate(None, None, &json!({ "configuration": { "a": "1" }, "limits": { "memory": "16 MiB" } }));
        let text = "[actions.gate]\nconfiguration.a = \"1\"\nallowed_origins = [\"https://a.example\"]";
        let settings = json!({ "limits": {}, "allowed_origins": ["https://a.example"] });
        assert_eq!(steps(&state, text, false), [json!({ "do": "change", "action": "gate", "settings": settings })]);
    }

    #[test]
    fn what_the_folder_does_not_have_goes_only_where_that_is_asked_for() {
        let mut state = gate(Some(GATE), Some(GATE), &json!({ "secrets": [{ "name": "OLD" }] }));
        state.policy = serde_json::from_value(json!({ "others": "deny" })).ok();
        let kept = plan(&state, &folder(""), false).unwrap();
        assert!(kept.steps.is_empty());
        assert!(kept.notes.iter().any(|note| note.contains("gate is not in the folder; --prune deletes it")), "{:?}", kept.notes);
        assert!(kept.notes.iter().any(|note| note.contains("the tenant has a policy")), "{:?}", kept.notes);
        let delete = json!({ "do": "delete", "action": "gate" });
        assert_eq!(steps(&state, "", true), [json!({ "do": "policy", "policy": null }), delete]);
        state.policy = None;
        let remove = json!({ "do": "remove-secret", "action": "gate", "secret": "OLD" });
        assert_eq!(steps(&state, "[actions.gate]", true), [remove]);
    }

    #[test]
    fn an_order_is_replaced_as_a_whole_with_what_its_actions_are_called() {
        let text = "[bindings]\npost-login = [\"gate\"]\n[actions.gate]\ncomponent = \"g\"\ndisplay_name = \"The gate\"";
        let mut state = gate(Some(GATE), None, &json!({}));
        let bind = |order: Value| json!({ "do": "bind", "trigger": "post-login", "order": order });
        state.bindings.insert("post-login".into(), vec![("other".into(), "other".into()), ("gate".into(), "The gate".into())]);
        assert_eq!(steps(&state, text, false), [bind(json!([["gate", "The gate"]]))]);
        assert_eq!(steps(&state, "[actions.gate]", false), [bind(json!([]))], "nothing is bound where the folder binds nothing");
        let shown = plan(&state, &folder(text), false).unwrap().shown(&state).to_string();
        assert!(shown.contains("bind  post-login  gate (before: other, gate)"), "{shown}");
    }

    #[test]
    fn an_action_does_not_change_its_trigger() {
        let error = plan(&gate(None, None, &json!({})), &folder("[actions.gate]\ntrigger = \"other\""), false).unwrap_err();
        assert!(error.to_string().contains("trigger can't change"), "{error}");
    }
}
