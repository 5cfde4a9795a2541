//! Any history of Actions, uploads, builds, deployments and bindings, against a model that is maps
//! in memory.

mod plain;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::json;
use vestibule_sessions::{
    ActionChange, ActionChanged, ActionCreated, ActionDeleted, ActionFilter, ActionUid, BindingsReplaced, BuildError,
    BuildStatus, Deployed, DraftPut, Keeping, NewAction, NewBinding, SealedSecret, SecretChange, Store, VersionUid,
};

use self::plain::{AT_MOST, KEPT, Look, Model, Place, Secrets, Status, Step, step};
use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::registry::*;

on_both! {
    any_history_of_actions_ends_as_the_model_says,
}

const FORGET: &str = "DELETE FROM bindings; DELETE FROM secrets; DELETE FROM versions; DELETE FROM actions; \
     DELETE FROM components; DELETE FROM policies; DELETE FROM flow_revisions; UPDATE flow_counter SET revision = 0";

const KEEPING: Keeping = Keeping { bytes: u64::MAX, versions: KEPT as u64 };

fn tenant_of(number: u8) -> vestibule_model::TenantId {
    tenant(&format!("t{number}"))
}

fn bytes_of(number: u8) -> String {
    format!("component {number}")
}

fn name_of(number: u8) -> String {
    format!("a{number}")
}

/// A secret as a step of the history gives it.
fn given(secret: u8, key: u8, step: u64) -> SealedSecret {
    sealed(&format!("S{secret}"), &format!("k{key}"), &step.to_string())
}

/// The real store, and who is who in it.
struct Real<'a> {
    store: &'a dyn Store,
    ids: BTreeMap<Place, ActionUid>,
    /// By their numbers.
    versions: BTreeMap<Place, Vec<VersionUid>>,
}

impl Real<'_> {
    fn id(&self, at: Place) -> ActionUid {
        self.ids.get(&at).copied().unwrap_or_else(|| ActionUid::random().unwrap())
    }

    /// The version that somebody believes to run.
    async fn running(&self, at: Place, looked_at: Look) -> Option<VersionUid> {
        match looked_at {
            Look::Stale => Some(VersionUid::random().unwrap()),
            Look::Fresh => {
                let found = self.store.action(&tenant_of(at.0), &self.id(at)).await.unwrap();
                found.and_then(|action| action.deployed).map(|version| version.id)
            }
        }
    }

    /// The same to a real store.
    async fn take(&mut self, step: &Step, model: &Model) -> &'static str {
        let (store, now) = (self.store, at(model.now));
        match step {
            Step::Wait { .. } => "waited",
            Step::Create { at, .. } if model.actions.contains_key(at) => "there already",
            Step::Create { at, name } => {
                let new = NewAction { settings: map(&[("s", json!(0))]), ..new_action(&name_of(*name)) };
                let id = new.id;
                match store.create_action(&tenant_of(at.0), new, AT_MOST, now).await.unwrap() {
                    ActionCreated::Created(_) => {
                        self.ids.insert(*at, id);
                        self.versions.insert(*at, Vec::new());
                        "created"
                    }
                    ActionCreated::NameTaken => "name taken",
                    ActionCreated::TooMany => "too many",
                }
            }
            Step::Change { at, name, settings, secrets, looked_at } => {
                let given = |secret: &u8| given(*secret, *secret, model.step + 1);
                let change = ActionChange {
                    name: name.map(|name| action_name(&name_of(name))),
                    settings: settings.map(|settings| map(&[("s", json!(settings))])),
                    secrets: secrets.as_ref().map(|secrets| match secrets {
                        Secrets::Set(secret) => SecretChange::Set(given(secret)),
                        Secrets::Remove(secret) => SecretChange::Remove(secret_name(&format!("S{secret}"))),
                        Secrets::Replace { keep, set } => SecretChange::Replace {
                            keep: keep.iter().map(|secret| secret_name(&format!("S{secret}"))).collect(),
                            set: set.iter().map(given).collect(),
                        },
                    }),
                    policy: None,
                };
                let revision = model.actions.get(at).map_or(1, |action| action.revision);
                let revision = if *looked_at == Look::Stale { revision + 1 } else { revision };
                match store.change_action(&tenant_of(at.0), &self.id(*at), change, Some(revision), now).await.unwrap() {
                    ActionChanged::Changed(_) => "changed",
                    ActionChanged::Absent => "absent",
                    ActionChanged::NameTaken => "name taken",
                    ActionChanged::Overtaken => "overtaken",
                }
            }
            Step::Delete { at, force } => {
                match store.delete_action(&tenant_of(at.0), &self.id(*at), *force, now).await.unwrap() {
                    ActionDeleted::Deleted => {
                        self.ids.remove(at);
                        self.versions.remove(at);
                        "deleted"
                    }
                    ActionDeleted::Absent => "absent",
                    ActionDeleted::Bound => "bound",
                }
            }
            Step::Upload { at, bytes } => {
                let bytes = bytes_of(*bytes);
                let component = Bytes::from(bytes.clone());
                let put =
                    store.put_draft(&tenant_of(at.0), &self.id(*at), &digest_of(&bytes), component, KEEPING, now).await.unwrap();
                if put == DraftPut::Absent { "absent" } else { "there" }
            }
            Step::Begin { at, bytes, lasts } => {
                let until = crate::parts::logins::at(model.now + lasts);
                let digest = digest_of(&bytes_of(*bytes));
                let is_ours = store.begin_build(&tenant_of(at.0), &self.id(*at), &digest, now, until).await.unwrap();
                if is_ours { "ours" } else { "not ours" }
            }
            Step::End { at, bytes, is_good } => {
                let failed = || vec![BuildError { id: "x".into(), message: "y".into() }];
                let built = if *is_good { Ok(info(&bytes_of(*bytes))) } else { Err(failed()) };
                let digest = digest_of(&bytes_of(*bytes));
                let ended = store.end_build(&tenant_of(at.0), &self.id(*at), &digest, built, now).await.unwrap();
                if ended.is_some() { "there" } else { "absent" }
            }
            Step::DeployDraft { at, bytes, looked_at } => {
                let draft = model.actions.get(at).and_then(|action| action.draft).map_or(0, |(bytes, _)| bytes);
                let digest = digest_of(&bytes_of(bytes.unwrap_or(draft)));
                let running = self.running(*at, *looked_at).await;
                let answer =
                    store.deploy_draft(&tenant_of(at.0), &self.id(*at), &digest, running.into(), KEEPING, now).await.unwrap();
                if let Deployed::Deployed(action) = &answer {
                    self.versions.entry(*at).or_default().push(action.deployed.as_ref().unwrap().id);
                }
                deployed_text(&answer)
            }
            Step::DeployVersion { at, version, update_draft, looked_at } => {
                let known = self.versions.get(at).and_then(|versions| versions.get(*version)).copied();
                let version = known.unwrap_or_else(|| VersionUid::random().unwrap());
                let running = self.running(*at, *looked_at).await;
                let id = self.id(*at);
                let answer =
                    store.deploy_version(&tenant_of(at.0), &id, &version, running.into(), *update_draft, now).await.unwrap();
                deployed_text(&answer)
            }
            Step::Bind { tenant, actions } => {
                let mut bindings: Vec<NewBinding> = Vec::new();
                let mut unknown = BTreeMap::new();
                for action in actions {
                    // One that isn't there has one id all the same, so that it can be given twice.
                    let id = self.ids.get(&(*tenant, *action)).copied();
                    let id = id.unwrap_or_else(|| *unknown.entry(action).or_insert_with(|| ActionUid::random().unwrap()));
                    bindings.push(NewBinding { action: id, display_name: name_of(*action) });
                }
                match store.replace_bindings(&tenant_of(*tenant), LOGIN, bindings.into(), now).await.unwrap() {
                    BindingsReplaced::Replaced => "replaced",
                    BindingsReplaced::Unknown(_) => "unknown",
                    BindingsReplaced::NotDeployed(_) => "not deployed",
                    BindingsReplaced::Twice(_) => "twice",
                    BindingsReplaced::Overtaken => "overtaken",
                }
            }
            Step::Policy { tenant, policy } => {
                let body = policy.map(|policy| map(&[("p", json!(policy))]));
                store.set_policy(&tenant_of(*tenant), body, now).await.unwrap();
                "set"
            }
            Step::Rotate { key } => {
                let key = format!("k{key}");
                for (of, id, old) in store.sealed_secrets(&key, 100).await.unwrap() {
                    let new = SealedSecret { key: key.clone(), ..old.clone() };
                    assert!(store.reseal(&of, &id, &old, new).await.unwrap());
                }
                "sealed"
            }
        }
    }

    /// All that can be seen of the store is what the model has.
    async fn compare(&self, model: &Model) {
        let mut unbuilt = BTreeSet::new();
        for (at, action) in &model.actions {
            self.compare_action(*at, action).await;
            let is_unbuilt = match action.draft {
                Some((_, Status::Pending)) => true,
                Some((_, Status::Building { until })) => until <= model.now,
                _ => false,
            };
            if is_unbuilt {
                unbuilt.insert((tenant_of(at.0), self.id(*at)));
            }
        }
        let found = self.store.unbuilt(at(model.now), 100).await.unwrap();
        assert_eq!(found.into_iter().map(|(of, id, _)| (of, id)).collect::<BTreeSet<_>>(), unbuilt);
        for tenant in 0..2 {
            self.compare_tenant(tenant, model).await;
        }
        let changes = self.store.flows_changed(0).await.unwrap();
        let changed: BTreeSet<_> = changes.tenants.into_iter().collect();
        let expected: BTreeSet<_> = model.flows.keys().map(|tenant| tenant_of(*tenant)).collect();
        assert_eq!((changed, changes.revision), (expected, model.revision));
    }

    async fn compare_action(&self, at: Place, expected: &plain::Action) {
        let (of, id) = (tenant_of(at.0), self.id(at));
        let found = self.store.action(&of, &id).await.unwrap().expect("the Action is there");
        assert_eq!(found.name.as_str(), name_of(expected.name));
        assert_eq!((found.settings["s"].as_u64(), found.revision), (Some(expected.settings.into()), expected.revision));
        let draft = found.draft.map(|draft| (draft.digest, draft.status));
        let status = |status| match status {
            Status::Pending => BuildStatus::Pending,
            Status::Building { .. } => BuildStatus::Building,
            Status::Built => BuildStatus::Built,
            Status::Failed => BuildStatus::Failed,
        };
        assert_eq!(draft, expected.draft.map(|(bytes, kept)| (digest_of(&bytes_of(bytes)), status(kept))));
        let versions = self.store.versions(&of, &id, 0, 100).await.unwrap().expect("the Action is there").versions;
        let digests: Vec<_> = versions.iter().rev().map(|version| version.digest).collect();
        assert_eq!(digests, expected.versions.iter().flatten().map(|bytes| digest_of(&bytes_of(*bytes))).collect::<Vec<_>>());
        let running = found.deployed.map(|version| version.number as usize);
        assert_eq!(running, expected.deployed.map(|version| version + 1));
        let secrets = self.store.secrets(&of, &id).await.unwrap();
        let kept: Vec<_> = expected.secrets.iter().map(|(secret, (key, step))| given(*secret, *key, *step)).collect();
        assert_eq!(secrets, kept);
    }

    async fn compare_tenant(&self, tenant: u8, model: &Model) {
        let of = tenant_of(tenant);
        let own = model.actions.iter().filter(|((other, _), _)| *other == tenant);
        let names: BTreeSet<_> = own.map(|(_, action)| name_of(action.name)).collect();
        let listed = self.store.actions(&of, ActionFilter::default(), 0, 100).await.unwrap();
        assert!(listed.actions.iter().map(|action| action.name.to_string()).eq(names));
        let flow = self.store.flow(&of, LOGIN).await.unwrap();
        assert_eq!(flow.revision, model.flows.get(&tenant).copied().unwrap_or(0));
        let bound = model.bindings.get(&tenant).cloned().unwrap_or_default();
        let expected: Vec<_> = bound.iter().map(|action| self.id((tenant, *action))).collect();
        assert_eq!(flow.bindings.iter().map(|binding| binding.action).collect::<Vec<_>>(), expected);
        for (binding, action) in flow.bindings.iter().zip(&bound) {
            let expected = &model.actions[&(tenant, *action)];
            assert_eq!(Some(binding.version.number as usize), expected.deployed.map(|version| version + 1));
            assert_eq!(binding.settings["s"].as_u64(), Some(expected.settings.into()));
            assert_eq!(binding.secrets.len(), expected.secrets.len());
        }
        let bindings = self.store.bindings(&of, LOGIN).await.unwrap();
        assert!(bindings.iter().map(|binding| binding.id).eq(flow.bindings.iter().map(|binding| binding.binding)));
        let policy = self.store.policy(&of).await.unwrap().map(|policy| policy.body["p"].as_u64());
        assert_eq!(policy, model.policies.get(&tenant).map(|policy| Some((*policy).into())));
        for bytes in 0..3 {
            let is_named = model.named_bytes(tenant).contains(&bytes);
            assert_eq!(has_component(self.store, of.as_str(), &bytes_of(bytes)).await, is_named, "{bytes}");
        }
    }
}

fn deployed_text(answer: &Deployed) -> &'static str {
    match answer {
        Deployed::Deployed(_) => "deployed",
        Deployed::Absent => "absent",
        Deployed::NotBuilt => "not built",
        Deployed::Overtaken => "overtaken",
    }
}

async fn any_history_of_actions_ends_as_the_model_says(database: &Database) {
    let is_long = std::env::var_os("VESTIBULE_LONG").is_some();
    let seed = if is_long { RngSeed::Random } else { RngSeed::Fixed(11) };
    let config = Config { cases: if is_long { 400 } else { 16 }, failure_persistence: None, rng_seed: seed, ..Config::default() };
    let store = database.open().await;
    let runtime = tokio::runtime::Handle::current();
    let histories = prop::collection::vec(step(), 1..120);
    tokio::task::block_in_place(|| {
        TestRunner::new(config)
            .run(&histories, |steps| {
                runtime.block_on(async {
                    database.execute(FORGET).await;
                    let mut model = Model::default();
                    let mut real = Real { store: &*store, ids: BTreeMap::new(), versions: BTreeMap::new() };
                    for (number, step) in steps.iter().enumerate() {
                        let found = real.take(step, &model).await;
                        let expected = model.take(step);
                        assert_eq!(found, expected, "{step:?}");
                        if number % 10 == 0 {
                            real.compare(&model).await;
                        }
                    }
                    real.compare(&model).await;
                });
                Ok(())
            })
            .unwrap();
    });
}
