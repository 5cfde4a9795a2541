//! The model of the registry: maps in memory, and what happens to them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

/// One thing that happens. Small numbers are names: there are few of each, so that they meet.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Create { at: Place, name: u8 },
    Change { at: Place, name: Option<u8>, settings: Option<u8>, secrets: Option<Secrets>, looked_at: Look },
    Delete { at: Place, force: bool },
    Upload { at: Place, bytes: u8 },
    Begin { at: Place, bytes: u8, lasts: u64 },
    End { at: Place, bytes: u8, is_good: bool },
    DeployDraft { at: Place, bytes: Option<u8>, looked_at: Look },
    DeployVersion { at: Place, version: usize, update_draft: bool, looked_at: Look },
    Bind { tenant: u8, actions: Vec<u8> },
    Policy { tenant: u8, policy: Option<u8> },
    Rotate { key: u8 },
    Wait { milliseconds: u64 },
}

/// An Action of a tenant.
pub(super) type Place = (u8, u8);

/// What somebody has seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Fresh,
    Stale,
}

#[derive(Clone, Debug)]
pub(super) enum Secrets {
    Replace { keep: Vec<u8>, set: Vec<u8> },
    Set(u8),
    Remove(u8),
}

fn place() -> impl Strategy<Value = Place> {
    (0_u8..2, 0_u8..3)
}

fn look() -> impl Strategy<Value = Look> {
    prop::sample::select(vec![Look::Fresh, Look::Fresh, Look::Fresh, Look::Stale])
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let few = || prop::collection::vec(0_u8..3, 0..3);
    let secrets = prop_oneof![
        (few(), few()).prop_map(|(keep, set)| Secrets::Replace { keep, set }),
        (0_u8..3).prop_map(Secrets::Set),
        (0_u8..3).prop_map(Secrets::Remove),
    ];
    let change = (place(), prop::option::of(0_u8..4), prop::option::of(0_u8..3), prop::option::of(secrets), look());
    prop_oneof![
        4 => (place(), 0_u8..4).prop_map(|(at, name)| Step::Create { at, name }),
        4 => change.prop_map(|(at, name, settings, secrets, looked_at)| Step::Change { at, name, settings, secrets, looked_at }),
        1 => (place(), any::<bool>()).prop_map(|(at, force)| Step::Delete { at, force }),
        6 => (place(), 0_u8..3).prop_map(|(at, bytes)| Step::Upload { at, bytes }),
        6 => (place(), 0_u8..3, 0_u64..40).prop_map(|(at, bytes, lasts)| Step::Begin { at, bytes, lasts }),
        6 => (place(), 0_u8..3, prop::bool::weighted(0.8)).prop_map(|(at, bytes, is_good)| Step::End { at, bytes, is_good }),
        8 => (place(), prop::option::weighted(0.2, 0_u8..3), look())
            .prop_map(|(at, bytes, looked_at)| Step::DeployDraft { at, bytes, looked_at }),
        4 => (place(), 0_usize..4, any::<bool>(), look())
            .prop_map(|(at, version, update_draft, looked_at)| Step::DeployVersion { at, version, update_draft, looked_at }),
        4 => (0_u8..2, prop::collection::vec(0_u8..3, 0..4)).prop_map(|(tenant, actions)| Step::Bind { tenant, actions }),
        1 => (0_u8..2, prop::option::of(0_u8..3)).prop_map(|(tenant, policy)| Step::Policy { tenant, policy }),
        1 => (0_u8..3).prop_map(|key| Step::Rotate { key }),
        3 => (0_u64..30).prop_map(|milliseconds| Step::Wait { milliseconds }),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Building { until: u64 },
    Built,
    Failed,
}

#[derive(Clone, Debug)]
pub(super) struct Action {
    pub(super) name: u8,
    pub(super) settings: u8,
    /// Of each, by which key it is sealed and which step has given it.
    pub(super) secrets: BTreeMap<u8, (u8, u64)>,
    pub(super) draft: Option<(u8, Status)>,
    /// Their bytes.
    /// None where it isn't kept any more.
    pub(super) versions: Vec<Option<u8>>,
    pub(super) deployed: Option<usize>,
    pub(super) revision: u64,
}

/// What is kept, in the plainest way.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) now: u64,
    /// Counts the steps.
    pub(super) step: u64,
    pub(super) actions: BTreeMap<Place, Action>,
    /// By tenant, in their order.
    pub(super) bindings: BTreeMap<u8, Vec<u8>>,
    pub(super) policies: BTreeMap<u8, u8>,
    pub(super) revision: u64,
    pub(super) flows: BTreeMap<u8, u64>,
}

/// Versions of an Action that are kept.
pub(super) const KEPT: usize = 2;

/// As many Actions as a tenant may have.
pub(super) const AT_MOST: u64 = 2;

impl Model {
    /// What is answered.
    pub(super) fn take(&mut self, step: &Step) -> &'static str {
        self.step += 1;
        match step {
            Step::Wait { milliseconds } => {
                self.now += milliseconds;
                "waited"
            }
            Step::Create { at, name } => self.create(*at, *name),
            Step::Change { at, name, settings, secrets, looked_at } => {
                self.change(*at, *name, *settings, secrets.as_ref(), *looked_at)
            }
            Step::Delete { at, force } => self.delete(*at, *force),
            Step::Upload { at, bytes } => match self.actions.get_mut(at) {
                Some(action) => {
                    action.draft = Some((*bytes, Status::Pending));
                    action.revision += 1;
                    "there"
                }
                None => "absent",
            },
            Step::Begin { at, bytes, lasts } => self.begin(*at, *bytes, *lasts),
            Step::End { at, bytes, is_good } => self.end(*at, *bytes, *is_good),
            Step::DeployDraft { at, bytes, looked_at } => self.deploy_draft(*at, *bytes, *looked_at),
            Step::DeployVersion { at, version, update_draft, looked_at } => {
                self.deploy_version(*at, *version, *update_draft, *looked_at)
            }
            Step::Bind { tenant, actions } => self.bind(*tenant, actions),
            Step::Policy { tenant, policy } => {
                let before = match policy {
                    Some(policy) => self.policies.insert(*tenant, *policy),
                    None => self.policies.remove(tenant),
                };
                if policy.is_some() || before.is_some() {
                    self.count(*tenant);
                }
                "set"
            }
            Step::Rotate { key } => {
                for (by, _) in self.actions.values_mut().flat_map(|action| action.secrets.values_mut()) {
                    *by = *key;
                }
                "sealed"
            }
        }
    }

    fn count(&mut self, tenant: u8) {
        self.revision += 1;
        self.flows.insert(tenant, self.revision);
    }

    fn is_bound(&self, at: Place) -> bool {
        self.bindings.get(&at.0).is_some_and(|bound| bound.contains(&at.1))
    }

    fn count_if_bound(&mut self, at: Place) {
        if self.is_bound(at) {
            self.count(at.0);
        }
    }

    fn is_named(&self, at: Place, name: u8) -> bool {
        self.actions.iter().any(|(other, action)| *other != at && other.0 == at.0 && action.name == name)
    }

    fn create(&mut self, at: Place, name: u8) -> &'static str {
        let count = self.actions.keys().filter(|other| other.0 == at.0).count() as u64;
        if self.actions.contains_key(&at) {
            return "there already";
        }
        if self.is_named(at, name) {
            return "name taken";
        }
        if count >= AT_MOST {
            return "too many";
        }
        let action = Action {
            name,
            settings: 0,
            secrets: BTreeMap::new(),
            draft: None,
            versions: Vec::new(),
            deployed: None,
            revision: 1,
        };
        self.actions.insert(at, action);
        "created"
    }

    fn change(
        &mut self,
        at: Place,
        name: Option<u8>,
        settings: Option<u8>,
        secrets: Option<&Secrets>,
        looked_at: Look,
    ) -> &'static str {
        let step = self.step;
        if !self.actions.contains_key(&at) {
            return "absent";
        }
        if looked_at == Look::Stale {
            return "overtaken";
        }
        if name.is_some_and(|name| self.is_named(at, name)) {
            return "name taken";
        }
        let Some(action) = self.actions.get_mut(&at) else { return "absent" };
        action.name = name.unwrap_or(action.name);
        action.settings = settings.unwrap_or(action.settings);
        action.revision += 1;
        let given = |secret: u8| (secret, (secret, step));
        match secrets {
            Some(Secrets::Set(secret)) => action.secrets.extend([given(*secret)]),
            Some(Secrets::Remove(secret)) => drop(action.secrets.remove(secret)),
            Some(Secrets::Replace { keep, set }) => {
                action.secrets.retain(|secret, _| keep.contains(secret));
                action.secrets.extend(set.iter().map(|secret| given(*secret)));
            }
            None => {}
        }
        if name.is_some() || settings.is_some() || secrets.is_some() {
            self.count_if_bound(at);
        }
        "changed"
    }

    fn delete(&mut self, at: Place, force: bool) -> &'static str {
        if !self.actions.contains_key(&at) {
            return "absent";
        }
        if !force && self.is_bound(at) {
            return "bound";
        }
        self.count_if_bound(at);
        self.actions.remove(&at);
        self.bindings.entry(at.0).or_default().retain(|bound| *bound != at.1);
        "deleted"
    }

    fn begin(&mut self, at: Place, bytes: u8, lasts: u64) -> &'static str {
        let now = self.now;
        match self.actions.get_mut(&at).and_then(|action| action.draft.as_mut()) {
            Some((draft, status)) if *draft == bytes => match *status {
                Status::Pending => {}
                Status::Building { until } if until <= now => {}
                _ => return "not ours",
            },
            _ => return "not ours",
        }
        if let Some(action) = self.actions.get_mut(&at) {
            action.draft = Some((bytes, Status::Building { until: now + lasts }));
        }
        "ours"
    }

    fn end(&mut self, at: Place, bytes: u8, is_good: bool) -> &'static str {
        let Some(action) = self.actions.get_mut(&at) else { return "absent" };
        if let Some((draft, status @ (Status::Pending | Status::Building { .. }))) = &mut action.draft
            && *draft == bytes
        {
            *status = if is_good { Status::Built } else { Status::Failed };
        }
        "there"
    }

    fn deploy_draft(&mut self, at: Place, bytes: Option<u8>, looked_at: Look) -> &'static str {
        let Some(action) = self.actions.get_mut(&at) else { return "absent" };
        let Some((draft, status)) = action.draft else { return "not built" };
        if looked_at == Look::Stale || bytes.is_some_and(|bytes| bytes != draft) {
            return "overtaken";
        }
        if status != Status::Built {
            return "not built";
        }
        action.deployed = Some(action.versions.len());
        action.versions.push(Some(draft));
        if let Some(gone) = action.versions.len().checked_sub(KEPT + 1) {
            action.versions[gone] = None;
        }
        action.revision += 1;
        self.count_if_bound(at);
        "deployed"
    }

    fn deploy_version(&mut self, at: Place, version: usize, update_draft: bool, looked_at: Look) -> &'static str {
        let Some(action) = self.actions.get_mut(&at) else { return "absent" };
        let Some(bytes) = action.versions.get(version).copied().flatten() else { return "absent" };
        if looked_at == Look::Stale {
            return "overtaken";
        }
        action.deployed = Some(version);
        if update_draft {
            action.draft = Some((bytes, Status::Built));
        }
        action.revision += 1;
        self.count_if_bound(at);
        "deployed"
    }

    fn bind(&mut self, tenant: u8, actions: &[u8]) -> &'static str {
        let mut before = BTreeSet::new();
        for action in actions {
            let Some(found) = self.actions.get(&(tenant, *action)) else { return "unknown" };
            if !before.insert(action) {
                return "twice";
            }
            if found.deployed.is_none() {
                return "not deployed";
            }
        }
        self.bindings.insert(tenant, actions.to_vec());
        self.count(tenant);
        "replaced"
    }

    /// The bytes that something of a tenant names.
    pub(super) fn named_bytes(&self, tenant: u8) -> BTreeSet<u8> {
        let own = self.actions.iter().filter(|((of, _), _)| *of == tenant).map(|(_, action)| action);
        own.flat_map(|action| action.draft.iter().map(|(bytes, _)| *bytes).chain(action.versions.iter().copied().flatten()))
            .collect()
    }
}
