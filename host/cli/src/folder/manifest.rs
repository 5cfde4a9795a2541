//! `actions.toml`: what a tenant's Actions are, but for their code and the values of their secrets.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vestibule::capability::CapabilityPolicy;
use vestibule::http::Origin;
use vestibule::model::ActionId;

use crate::remote::shapes::{Settings, fail_login};

/// What stands above all else.
const HEADER: &str = "\
# The Actions of a tenant, as `vestibule apply` makes them and `vestibule export` writes them.
# Secrets stand here by their names alone.
";

/// What `actions.toml` says. What is written of it is always written in one way.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// By trigger, the names of the Actions that are run there, in their order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) bindings: BTreeMap<String, Vec<String>>,
    /// Which capabilities may be used by whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<CapabilityPolicy>,
    /// By name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) actions: BTreeMap<String, Entry>,
}

/// What it says of one Action.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    #[serde(default = "post_login")]
    pub(crate) trigger: String,
    /// The component's file in this folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) component: Option<String>,
    /// Whether the component is deployed, and not only a draft.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub(crate) deployed: bool,
    /// What its binding is called, where it isn't its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) display_name: Option<String>,
    #[serde(default = "fail_login")]
    pub(crate) on_failure: String,
    /// What the component may see and do; where it is missing, what the version that runs may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) capabilities: Option<BTreeSet<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) allowed_origins: Vec<String>,
    /// Their names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) secrets: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) configuration: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) limits: Map<String, Value>,
}

fn post_login() -> String {
    "post-login".to_owned()
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_yes(value: &bool) -> bool {
    *value
}

impl Entry {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            configuration: self.configuration.clone(),
            allowed_origins: self.allowed_origins.clone(),
            limits: self.limits.clone(),
            on_failure: self.on_failure.clone(),
        }
    }
}

impl Manifest {
    /// Reads its text.
    ///
    /// # Errors
    /// When it is no such text, or speaks of what it doesn't have.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut manifest: Self = toml::from_str(text)?;
        // One that says nothing is none.
        manifest.policy = manifest.policy.filter(|policy| *policy != CapabilityPolicy::default());
        for (name, entry) in &mut manifest.actions {
            ActionId::new(name, "1").with_context(|| format!("an Action can't be called {name:?}"))?;
            for origin in &mut entry.allowed_origins {
                // As servers write it.
                *origin = origin.parse::<Origin>().with_context(|| format!("`allowed_origins` of {name}: {origin}"))?.to_string();
            }
            if !["fail-login", "continue"].contains(&entry.on_failure.as_str()) {
                bail!("`on_failure` of {name} is \"fail-login\" or \"continue\", and not {:?}", entry.on_failure);
            }
        }
        for (trigger, names) in &manifest.bindings {
            let mut seen = BTreeSet::new();
            for name in names {
                let Some(entry) = manifest.actions.get(name) else {
                    bail!("`bindings.{trigger}` names {name}, which stands in no `actions.{name}`")
                };
                if entry.trigger != *trigger {
                    bail!("`bindings.{trigger}` names {name}, which is for {}", entry.trigger);
                }
                if !entry.deployed || entry.component.is_none() {
                    bail!("`bindings.{trigger}` names {name}, which has no component that is deployed");
                }
                if !seen.insert(name) {
                    bail!("`bindings.{trigger}` names {name} twice");
                }
            }
        }
        Ok(manifest)
    }

    /// Its text, for git: the same for the same Actions.
    pub(crate) fn text(&self) -> Result<String> {
        Ok(format!("{HEADER}\n{}", toml::to_string_pretty(self)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# The Actions of a tenant, as `vestibule apply` makes them and `vestibule export` writes them.
# Secrets stand here by their names alone.

[bindings]
post-login = [
    "gate",
    "crm-sync",
]

[policy]
others = "allow"

[policy.rules]
"event-user.email" = ["crm-sync"]

[actions.crm-sync]
trigger = "post-login"
component = "components/crm-sync.wasm"
display_name = "CRM"
on_failure = "continue"
capabilities = [
    "event-user.email",
    "http",
]
allowed_origins = ["https://crm.example"]
secrets = ["API_KEY"]

[actions.crm-sync.configuration]
region = "eu"

[actions.crm-sync.limits]
memory = "32 MiB"
requests = 2

[actions.draft]
trigger = "post-login"
component = "components/draft.wasm"
deployed = false
on_failure = "fail-login"

[actions.gate]
trigger = "post-login"
component = "components/gate.wasm"
on_failure = "fail-login"
capabilities = []
"#;

    #[test]
    fn what_is_written_is_read_and_written_again_to_the_byte() {
        let manifest = Manifest::parse(TEXT).unwrap();
        assert_eq!(manifest.actions["crm-sync"].limits["requests"], 2);
        assert_eq!(manifest.text().unwrap(), TEXT);
    }

    #[test]
    fn what_can_be_left_out_has_a_default() {
        let manifest = Manifest::parse("[actions.gate]\n").unwrap();
        let gate = &manifest.actions["gate"];
        assert_eq!((gate.trigger.as_str(), gate.on_failure.as_str(), gate.deployed), ("post-login", "fail-login", true));
        assert_eq!(gate.capabilities, None, "which is something else than none at all");
    }

    #[test]
    fn what_contradicts_itself_is_told() {
        for (text, words) in [
            ("[actions.gate]\ncolour = 1", "colour"),
            ("[policy.rules]\n\"event-user.shoe-size\" = []", "event-user.shoe-size"),
            ("[actions.\"a/b\"]", "can't be called"),
            ("[actions.gate]\non_failure = \"stop\"", "\"fail-login\" or \"continue\""),
            ("[actions.gate]\nallowed_origins = [\"nowhere\"]", "`allowed_origins` of gate"),
            ("[bindings]\npost-login = [\"gate\"]", "names gate, which stands in no `actions.gate`"),
            ("[bindings]\npost-login = [\"gate\"]\n[actions.gate]", "has no component that is deployed"),
            ("[bindings]\npost-login = [\"g\", \"g\"]\n[actions.g]\ncomponent = \"g.wasm\"", "names g twice"),
            ("[bindings]\npost-login = [\"g\"]\n[actions.g]\ntrigger = \"other\"\ncomponent = \"g.wasm\"", "which is for other"),
        ] {
            let error = format!("{:#}", Manifest::parse(text).unwrap_err());
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
