//! What a tenant's server has, as a folder would have it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use vestibule::capability::CapabilityPolicy;
use vestibule::model::ActionId;

use super::files::{Folder, component_file};
use super::manifest::{Entry, Manifest};
use crate::remote::Remote;
use crate::remote::shapes::{Action, Answered, Binding, Component};

/// What a tenant's server has.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// By name.
    pub(crate) actions: BTreeMap<String, Answered<Action>>,
    /// By trigger: the Actions' names in their order, each with what it is called there.
    pub(crate) bindings: BTreeMap<String, Vec<(String, String)>>,
    /// By trigger: the same bindings' ids.
    pub(crate) binding_ids: BTreeMap<String, Vec<String>>,
    pub(crate) policy: Option<CapabilityPolicy>,
}

/// Which component of an Action a folder has.
enum Chosen<'a> {
    /// The one that runs.
    Deployed(&'a Component),
    /// The draft of one that has never been deployed.
    Draft(&'a Component),
    None,
}

fn chosen(action: &Action) -> Chosen<'_> {
    match (action.running(), &action.component) {
        (Some(running), _) => Chosen::Deployed(running),
        (None, Some(draft)) if action.status.as_deref() == Some("built") => Chosen::Draft(draft),
        _ => Chosen::None,
    }
}

impl State {
    /// Asks a server for everything but the components.
    pub(crate) fn of(remote: &Remote) -> Result<Self> {
        let actions: BTreeMap<_, _> = remote.actions()?.into_iter().map(|action| (action.name.clone(), action)).collect();
        let mut triggers: BTreeSet<&str> = actions.values().map(|action| action.trigger()).collect();
        triggers.insert("post-login");
        let (mut bindings, mut binding_ids) = (BTreeMap::new(), BTreeMap::new());
        for trigger in triggers {
            let bound = remote.bindings(trigger)?;
            binding_ids.insert(trigger.to_owned(), bound.iter().map(|binding| binding.id.clone()).collect());
            let called = |binding: &Answered<Binding>| (binding.action.name.clone(), binding.display_name.clone());
            bindings.insert(trigger.to_owned(), bound.iter().map(called).collect());
        }
        let policy = remote
            .policy()?
            .own()
            .context("the tenant's policy speaks of what this command doesn't know; is it as new as the server?")?;
        Ok(Self { actions, bindings, binding_ids, policy })
    }

    /// All of it as a folder, and what the folder can't have.
    pub(crate) fn folder(&self, remote: &Remote) -> Result<(Folder, Vec<String>)> {
        let mut folder = Folder { manifest: self.manifest()?, components: BTreeMap::new() };
        let mut left_out = Vec::new();
        for (name, action) in &self.actions {
            let (component, version) = match chosen(action) {
                Chosen::Deployed(component) => (component, action.deployed_version.as_ref()),
                Chosen::Draft(component) => (component, None),
                Chosen::None => continue,
            };
            if version.is_some() && !action.all_changes_deployed {
                left_out.push(format!("{name} has a draft that is not deployed; the folder has the version that runs"));
            }
            let bytes = remote.component(action, version)?;
            if crate::deploying::sha256(&bytes) != component.sha256 {
                bail!("the component of {name} did not arrive as it is there; run this again");
            }
            folder.components.insert(name.clone(), bytes);
        }
        Ok((folder, left_out))
    }

    /// What `actions.toml` says of it.
    pub(crate) fn manifest(&self) -> Result<Manifest> {
        let mut actions = BTreeMap::new();
        for (name, action) in &self.actions {
            ActionId::new(name, "1").with_context(|| format!("{name:?} can't be the name of a file"))?;
            actions.insert(name.clone(), self.entry(action));
        }
        let names = |bound: &Vec<(String, String)>| bound.iter().map(|(name, _)| name.clone()).collect();
        let bindings = self.bindings.iter().filter(|(_, bound)| !bound.is_empty());
        let bindings = bindings.map(|(trigger, bound)| (trigger.clone(), names(bound))).collect();
        Ok(Manifest { bindings, policy: self.policy.clone(), actions })
    }

    fn entry(&self, action: &Action) -> Entry {
        let chosen = chosen(action);
        let component = match chosen {
            Chosen::Deployed(component) | Chosen::Draft(component) => Some(component),
            Chosen::None => None,
        };
        let called = self.bindings.get(action.trigger()).and_then(|bound| bound.iter().find(|(name, _)| *name == action.name));
        let settings = &action.settings;
        Entry {
            trigger: action.trigger().to_owned(),
            component: component.map(|_| component_file(&action.name)),
            deployed: !matches!(chosen, Chosen::Draft(_)),
            display_name: called.filter(|(name, called)| name != called).map(|(_, called)| called.clone()),
            on_failure: settings.on_failure.clone(),
            capabilities: component.map(|component| component.capabilities.iter().cloned().collect()),
            allowed_origins: settings.allowed_origins.clone(),
            secrets: action.secrets.iter().map(|secret| secret.name.clone()).collect(),
            configuration: settings.configuration.clone(),
            limits: settings.limits.clone(),
        }
    }
}
