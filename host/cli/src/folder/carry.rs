//! Carrying a plan out, step by step. What was done stays done where a later step fails: the next
//! plan has the rest.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, anyhow, bail};

use super::plan::{Plan, Step};
use super::state::State;
use super::values::Values;
use crate::deploying::{self, timed, told};
use crate::remote::Remote;
use crate::remote::shapes::{Action, Answered};
use crate::table::kilobytes;

/// Carries a plan out.
pub(crate) fn carry_out(remote: &Remote, state: State, plan: &Plan, values: &Values, accept_capabilities: bool) -> Result<()> {
    let State { actions, binding_ids, .. } = state;
    let mut carrier = Carrier { remote, actions, binding_ids, values, accept_capabilities };
    for step in &plan.steps {
        let (done, took) = timed(|| carrier.carry(step))?;
        let (done, what) = done;
        told(done, &what, took);
    }
    Ok(())
}

struct Carrier<'a> {
    remote: &'a Remote,
    /// As they are after the steps so far.
    actions: BTreeMap<String, Answered<Action>>,
    /// Of what the plan was made over.
    binding_ids: BTreeMap<String, Vec<String>>,
    values: &'a Values,
    accept_capabilities: bool,
}

impl Carrier<'_> {
    fn action(&self, name: &str) -> Result<&Action> {
        self.actions.get(name).map(|action| &**action).ok_or_else(|| anyhow!("{name} is not there any more; run this again"))
    }

    /// Does one thing, and says what it was.
    fn carry(&mut self, step: &Step) -> Result<(&'static str, String)> {
        let remote = self.remote;
        Ok(match step {
            Step::Policy { policy } => {
                remote.set_policy(policy.as_ref()).context("the policy was not set")?;
                ("Set", "the policy".to_owned())
            }
            Step::Create { action, trigger, settings } => {
                let created = remote
                    .create_action(action, trigger, settings.clone())
                    .with_context(|| format!("{action} was not created"))?;
                self.actions.insert(action.clone(), created);
                ("Created", action.clone())
            }
            Step::Change { action, settings } => {
                let changed = remote.change_action(&self.action(action)?.id, settings.clone());
                self.actions.insert(action.clone(), changed.with_context(|| format!("{action} was not changed"))?);
                ("Changed", action.clone())
            }
            Step::Secret { action, secret } => {
                let value = self.values.get(action, secret).ok_or_else(|| anyhow!("{secret} of {action} has no value"))?;
                let set = remote.set_secret(&self.action(action)?.id, secret, &value);
                set.with_context(|| format!("the secret {secret} of {action} was not set"))?;
                ("Set", format!("the secret {secret} of {action}"))
            }
            Step::RemoveSecret { action, secret } => {
                let removed = remote.remove_secret(&self.action(action)?.id, secret);
                removed.with_context(|| format!("the secret {secret} of {action} was not removed"))?;
                ("Removed", format!("the secret {secret} of {action}"))
            }
            Step::Upload { action, component } => {
                let uploaded = deploying::upload(remote, self.action(action)?, component);
                let built = uploaded.with_context(|| format!("{action} was not uploaded"))?;
                self.actions.extend(built.map(|built| (action.clone(), built)));
                ("Uploaded", format!("{action} · {}", kilobytes(component.len())))
            }
            Step::Deploy { action, sha256, capabilities } => {
                let accept = self.accept_capabilities || self.allows(action, capabilities.as_ref())?;
                let version = deploying::deploy(remote, self.action(action)?, sha256, accept)?;
                ("Deployed", format!("{action} version {}", version.number))
            }
            Step::Bind { trigger, order } => {
                let seen: Vec<&str> = self.binding_ids.get(trigger).into_iter().flatten().map(String::as_str).collect();
                remote.bind(trigger, &seen, order).with_context(|| format!("{trigger} was not bound"))?;
                ("Bound", trigger.clone())
            }
            Step::Delete { action } => {
                remote.delete_action(&self.action(action)?.id, false).with_context(|| format!("{action} was not deleted"))?;
                ("Deleted", action.clone())
            }
        })
    }

    /// Whether the folder says what an Action may see and do, and it asks for no more.
    fn allows(&self, name: &str, capabilities: Option<&BTreeSet<String>>) -> Result<bool> {
        let Some(allowed) = capabilities else { return Ok(false) };
        let draft = self.action(name)?.component.as_ref();
        let more: Vec<String> = draft.map(|draft| beyond(allowed, &draft.capabilities)).unwrap_or_default();
        if !more.is_empty() {
            bail!(
                "{name} was not deployed: it asks for more than its `capabilities` in actions.toml\n    {}\n  help: write them there, \
                 or say --accept-capabilities",
                more.join("\n    ")
            );
        }
        Ok(true)
    }
}

fn beyond(allowed: &BTreeSet<String>, asked: &[String]) -> Vec<String> {
    asked.iter().filter(|capability| !allowed.contains(*capability)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_folder_does_not_list_is_too_much() {
        let allowed = BTreeSet::from(["http".to_owned(), "log.write".to_owned()]);
        assert!(beyond(&allowed, &["http".to_owned()]).is_empty());
        assert_eq!(beyond(&allowed, &["http".to_owned(), "event-user.email".to_owned()]), ["event-user.email"]);
    }
}
