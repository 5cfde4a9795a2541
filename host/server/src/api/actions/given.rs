//! An Action in the words of the Management API: what is read of a request.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};
use vestibule::limits::Limits;
use vestibule::model::{ComponentDigest, Values};
use vestibule_sessions::{ActionName, SecretName, Trigger};
use zeroize::Zeroizing;

use crate::api::object::{self, Object};
use crate::error::ApiError;
use crate::registry::settings::{CONFIGURATION, LIMITS, ON_FAILURE, ORIGINS, RunSettings};

/// Secrets of one Action at most.
pub(super) const MOST_SECRETS: usize = 100;

/// An Action that is new, or what changes of one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    name: Option<String>,
    supported_triggers: Option<Vec<Object<GivenTrigger>>>,
    secrets: Option<Vec<Object<GivenSecret>>>,
    configuration: Option<Map<String, Value>>,
    allowed_origins: Option<Vec<String>>,
    limits: Option<Map<String, Value>>,
    on_failure: Option<String>,
    /// Auth0's.
    code: Option<String>,
    dependencies: Option<Vec<Value>>,
    modules: Option<Vec<Value>>,
    #[serde(rename = "runtime")]
    _runtime: Option<String>,
    deploy: Option<bool>,
}

#[derive(Deserialize)]
struct GivenTrigger {
    id: String,
    /// There is one of each.
    #[serde(default, rename = "version")]
    _version: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenSecret {
    pub(super) name: String,
    pub(super) value: Option<Zeroizing<String>>,
    /// As it was read; nobody sets it.
    #[serde(rename = "updated_at")]
    _updated_at: Option<Value>,
}

/// A secret's name, and its value where it is set.
type NamedSecret = (SecretName, Option<Zeroizing<String>>);

/// What a request says of an Action.
pub(super) struct Given {
    pub(super) name: Option<ActionName>,
    pub(super) trigger: Option<Trigger>,
    /// None where nothing is said of secrets. Those without a value stay as they are.
    pub(super) secrets: Option<Vec<NamedSecret>>,
    /// The members of an Action's settings that are given.
    settings: Map<String, Value>,
}

impl Given {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ApiError> {
        let body: Body = object::read(bytes)?;
        if body.code.is_some_and(|code| !code.trim().is_empty()) {
            return Err(ApiError::invalid_body(
                "`code`: Actions are WebAssembly components here; leave it out, and send the component that `vestibule build` makes to \
                 `PUT /api/v2/actions/actions/{id}/component`",
            ));
        }
        if body.dependencies.is_some_and(|given| !given.is_empty()) || body.modules.is_some_and(|given| !given.is_empty()) {
            return Err(ApiError::invalid_body("`dependencies` and `modules` are a part of the component; leave them out"));
        }
        if body.deploy == Some(true) {
            let how = "`deploy`: there is no component yet; upload it, and then `POST /api/v2/actions/actions/{id}/deploy`";
            return Err(ApiError::invalid_body(how));
        }
        let name = body.name.map(|name| name.parse::<ActionName>()).transpose();
        let mut settings = Map::new();
        settings.extend(body.configuration.map(|given| (CONFIGURATION.to_owned(), Value::Object(given))));
        settings.extend(body.allowed_origins.map(|given| (ORIGINS.to_owned(), given.into())));
        settings.extend(body.limits.map(|given| (LIMITS.to_owned(), Value::Object(given))));
        settings.extend(body.on_failure.map(|given| (ON_FAILURE.to_owned(), given.into())));
        Ok(Self {
            name: name.map_err(|error| ApiError::invalid_body(format!("`name`: {error}")))?,
            trigger: body.supported_triggers.map(trigger).transpose()?,
            secrets: body.secrets.map(secrets).transpose()?,
            settings,
        })
    }

    /// The settings that an Action has with these; none where nothing is said of them.
    pub(super) fn settings(&self, before: &Map<String, Value>, host: &Limits) -> Result<Option<Map<String, Value>>, ApiError> {
        let mut settings = before.clone();
        settings.extend(self.settings.iter().map(|(name, value)| (name.clone(), value.clone())));
        RunSettings::read_given(&settings, host).map_err(ApiError::invalid_body)?;
        Ok((!self.settings.is_empty()).then_some(settings))
    }
}

fn trigger(given: Vec<Object<GivenTrigger>>) -> Result<Trigger, ApiError> {
    let wrong = || ApiError::invalid_body("`supported_triggers` names one trigger: `[{\"id\": \"post-login\"}]`");
    let [Object(trigger)] = given.as_slice() else { return Err(wrong()) };
    trigger.id.parse().map_err(|_| wrong())
}

fn secrets(given: Vec<Object<GivenSecret>>) -> Result<Vec<NamedSecret>, ApiError> {
    if given.len() > MOST_SECRETS {
        return Err(ApiError::invalid_body(format!("an Action has at most {MOST_SECRETS} secrets")));
    }
    let mut known = BTreeSet::new();
    let read = given.into_iter().map(|Object(GivenSecret { name, value, .. })| {
        let parsed = secret_name(&name).map_err(ApiError::invalid_body)?;
        if let Some(value) = &value {
            check_value(&name, value)?;
        }
        if !known.insert(name) {
            return Err(ApiError::invalid_body(format!("the secret `{parsed}` is there twice")));
        }
        Ok((parsed, value))
    });
    read.collect()
}

/// A secret's name: as Actions read it, and without what no database keeps.
pub(super) fn secret_name(text: &str) -> Result<SecretName, String> {
    if text.chars().any(char::is_control) {
        return Err("a secret's name has no control characters".to_owned());
    }
    text.parse::<SecretName>().map_err(|error| format!("a secret's name: {error}"))
}

/// Whether a secret can have this value.
pub(super) fn check_value(name: &str, value: &Zeroizing<String>) -> Result<(), ApiError> {
    let set = Values::default().set(name, value.to_string());
    set.map_err(|error| ApiError::invalid_body(format!("`secrets`: {error}")))
}

/// A secret's value alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretBody {
    pub(super) value: Zeroizing<String>,
}

/// What a deployment is told.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeployBody {
    /// Whether it may see and do more than the version that runs.
    #[serde(default)]
    pub(super) accept_capabilities: bool,
    /// Whether the draft becomes that version's, too: of an older version alone.
    #[serde(default)]
    pub(super) update_draft: bool,
    /// The component that is meant: of the draft alone.
    pub(super) sha256: Option<ComponentDigest>,
}

/// The bindings of a trigger, in their order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BindingsBody {
    pub(super) bindings: Vec<Object<GivenBinding>>,
    /// The ids of what these replace, as the caller has seen it.
    pub(super) replaces: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenBinding {
    #[serde(rename = "ref")]
    pub(super) reference: Object<GivenReference>,
    pub(super) display_name: Option<String>,
    /// Auth0's: here they are the Action's.
    pub(super) secrets: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenReference {
    #[serde(rename = "type")]
    pub(super) kind: ReferenceKind,
    pub(super) value: String,
}

/// By what a binding names its Action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReferenceKind {
    ActionId,
    ActionName,
    BindingId,
}

/// A login that an Action is tried with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestBody {
    pub(super) payload: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        match Given::read(body.as_bytes()) {
            Ok(_) => "taken".to_owned(),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn what_auth0s_clients_send_of_code_is_let_pass_where_it_says_nothing() {
        let body = r#"{"name": "gate", "supported_triggers": [{"id": "post-login", "version": "v3"}], "code": "", "dependencies": [],
                       "runtime": "node22", "secrets": [{"name": "KEY", "value": "hunter2"}]}"#;
        let given = Given::read(body.as_bytes()).unwrap();
        assert_eq!(given.trigger, Some(Trigger::PostLogin));
        assert_eq!(given.secrets.unwrap().len(), 1);
        assert!(refused(r#"{"code": "exports.onExecutePostLogin = async () => {}"}"#).contains("/component"));
        assert!(refused(r#"{"dependencies": [{"name": "axios"}]}"#).contains("dependencies"));
    }

    #[test]
    fn no_refusal_quotes_a_secret() {
        for body in [
            r#"{"secrets": "hunter2"}"#,
            r#"{"secrets": ["hunter2"]}"#,
            r#"{"secrets": [["KEY", "hunter2"]]}"#,
            r#"{"secrets": [{"name": "KEY", "value": ["hunter2"]}]}"#,
            r#"{"secrets": [{"name": "KEY", "value": "hunter2"}, {"name": "KEY", "value": "hunter2"}]}"#,
            r#"{"secrets": [{"name": "", "value": "hunter2"}]}"#,
            r#"["hunter2"]"#,
            r#"{"secrets": [{"name": "KEY", "value": "hunter2"#,
        ] {
            let told = refused(body);
            assert!(told != "taken" && !told.contains("hunter2"), "{body}: {told}");
        }
        let long = format!(r#"{{"secrets": [{{"name": "KEY", "value": "{}"}}]}}"#, "hunter2".repeat(1_000));
        let told = refused(&long);
        assert!(told.contains("7000 characters") && !told.contains("hunter2"), "{told}");
    }
}
