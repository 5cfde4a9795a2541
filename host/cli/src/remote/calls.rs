//! The Actions API in words: one function for each thing that is asked of a server.

use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use vestibule::capability::CapabilityPolicy;
use zeroize::Zeroizing;

use super::shapes::{Action, Answered, Binding, Execution, Executions, LogEntry, Policy, Version};
use super::{Remote, Request, Sent};

const ACTIONS: &str = "actions";
/// The most that a page has.
const PAGE: usize = 100;

/// Which executions.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) action: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) take: usize,
}

/// A page of a list, whose member is called by what it lists.
#[derive(Deserialize)]
struct Page {
    total: Option<usize>,
    #[serde(flatten)]
    members: Map<String, Value>,
}

impl Remote {
    /// All of a list, page by page.
    fn all<T: DeserializeOwned>(&self, parts: &[&str], query: &[(&str, &str)], member: &str) -> Result<Vec<T>> {
        self.until(parts, query, member, |_: &T| false)
    }

    /// A list, page by page, up to the page that has what is looked for.
    fn until<T: DeserializeOwned>(
        &self,
        parts: &[&str],
        query: &[(&str, &str)],
        member: &str,
        is_enough: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        loop {
            let (page, size) = ((all.len() / PAGE).to_string(), PAGE.to_string());
            let query = [query, &[("page", page.as_str()), ("per_page", size.as_str())]].concat();
            let mut answer: Page = self.get(parts, &query)?;
            let Some(Value::Array(listed)) = answer.members.remove(member) else {
                bail!("{} has answered without `{member}`; is it a server of Vestibule?", self.profile.url);
            };
            let count = listed.len();
            for one in listed {
                all.push(serde_json::from_value(one).map_err(|error| anyhow!("one of `{member}` is unknown to us: {error}"))?);
            }
            let is_found = all.iter().skip(all.len() - count).any(&is_enough);
            if is_found || count < PAGE || answer.total.is_some_and(|total| all.len() >= total) {
                return Ok(all);
            }
        }
    }

    pub(crate) fn actions(&self) -> Result<Vec<Answered<Action>>> {
        self.all(&[ACTIONS, ACTIONS], &[], ACTIONS)
    }

    pub(crate) fn find_action(&self, name: &str) -> Result<Option<Answered<Action>>> {
        let found: Vec<Answered<Action>> = self.all(&[ACTIONS, ACTIONS], &[("actionName", name)], ACTIONS)?;
        Ok(found.into_iter().find(|action| action.name == name))
    }

    pub(crate) fn action(&self, name: &str) -> Result<Answered<Action>> {
        let tenant = self.tenant();
        self.find_action(name)?.ok_or_else(|| {
            anyhow!("tenant {tenant} has no Action {name}; `vestibule actions list --tenant {tenant}` shows those there are")
        })
    }

    pub(crate) fn create_action(&self, name: &str, trigger: &str, more: Map<String, Value>) -> Result<Answered<Action>> {
        let mut body = more;
        body.insert("name".to_owned(), name.into());
        body.insert("supported_triggers".to_owned(), json!([{ "id": trigger }]));
        self.send(Method::POST, &[ACTIONS, ACTIONS], body.into())
    }

    pub(crate) fn change_action(&self, id: &str, change: Map<String, Value>) -> Result<Answered<Action>> {
        self.send(Method::PATCH, &[ACTIONS, ACTIONS, id], change.into())
    }

    pub(crate) fn delete_action(&self, id: &str, force: bool) -> Result<()> {
        let query: &[(&str, &str)] = if force { &[("force", "true")] } else { &[] };
        let parts = [ACTIONS, ACTIONS, id];
        self.call(&Request { method: Method::DELETE, parts: &parts, query, sent: Sent::Nothing }).map(drop)
    }

    /// Uploads a draft, and waits until it is built or has failed.
    pub(crate) fn upload(&self, action: &Action, component: Bytes) -> Result<Answered<Action>> {
        let parts = [ACTIONS, ACTIONS, action.id.as_str(), "component"];
        let sent = Sent::Component(action.name.clone(), component);
        self.read(&Request { method: Method::PUT, parts: &parts, query: &[], sent })
    }

    /// The bytes of a version, or of the draft.
    pub(crate) fn component(&self, action: &Action, version: Option<&Version>) -> Result<Bytes> {
        let id = action.id.as_str();
        let parts = match version {
            Some(version) => vec![ACTIONS, ACTIONS, id, "versions", &version.id, "component"],
            None => vec![ACTIONS, ACTIONS, id, "component"],
        };
        self.call(&Request { method: Method::GET, parts: &parts, query: &[], sent: Sent::Nothing })
    }

    /// Makes a version of the draft, which logins run from now on; of no other draft than this
    /// component.
    pub(crate) fn deploy(&self, id: &str, sha256: &str, accept_capabilities: bool) -> Result<Answered<Version>> {
        let body = json!({ "sha256": sha256, "accept_capabilities": accept_capabilities });
        self.send(Method::POST, &[ACTIONS, ACTIONS, id, "deploy"], body)
    }

    /// Runs an older version again.
    pub(crate) fn deploy_version(
        &self,
        id: &str,
        version: &str,
        update_draft: bool,
        accept_capabilities: bool,
    ) -> Result<Answered<Version>> {
        let body = json!({ "update_draft": update_draft, "accept_capabilities": accept_capabilities });
        self.send(Method::POST, &[ACTIONS, ACTIONS, id, "versions", version, "deploy"], body)
    }

    /// The newest first.
    pub(crate) fn versions(&self, id: &str) -> Result<Vec<Answered<Version>>> {
        self.all(&[ACTIONS, ACTIONS, id, "versions"], &[], "versions")
    }

    /// The newest first, and of older ones no more than it takes to find this.
    pub(crate) fn versions_until(&self, id: &str, is_enough: impl Fn(&Version) -> bool) -> Result<Vec<Answered<Version>>> {
        self.until(&[ACTIONS, ACTIONS, id, "versions"], &[], "versions", |version: &Answered<Version>| is_enough(version))
    }

    pub(crate) fn set_secret(&self, id: &str, name: &str, value: &Zeroizing<String>) -> Result<()> {
        let parts = [ACTIONS, ACTIONS, id, "secrets", name];
        let sent = Sent::Json(json!({ "value": value.as_str() }));
        self.call(&Request { method: Method::PUT, parts: &parts, query: &[], sent }).map(drop)
    }

    pub(crate) fn remove_secret(&self, id: &str, name: &str) -> Result<()> {
        let parts = [ACTIONS, ACTIONS, id, "secrets", name];
        self.call(&Request { method: Method::DELETE, parts: &parts, query: &[], sent: Sent::Nothing }).map(drop)
    }

    /// In their order.
    pub(crate) fn bindings(&self, trigger: &str) -> Result<Vec<Answered<Binding>>> {
        self.all(&[ACTIONS, "triggers", trigger, "bindings"], &[], "bindings")
    }

    /// Replaces all bindings of a trigger: the Actions' names in their order, each with what it is
    /// called there. `seen` are the ids of those that are there, as this was decided.
    pub(crate) fn bind(&self, trigger: &str, seen: &[&str], order: &[(String, String)]) -> Result<Vec<Answered<Binding>>> {
        let binding = |(action, display_name): &(String, String)| json!({ "ref": { "type": "action_name", "value": action }, "display_name": display_name });
        let body = json!({ "bindings": order.iter().map(binding).collect::<Value>(), "replaces": seen });
        let answer: Value = self.send(Method::PATCH, &[ACTIONS, "triggers", trigger, "bindings"], body)?;
        Ok(serde_json::from_value(answer["bindings"].clone())?)
    }

    pub(crate) fn executions(&self, filter: &Filter) -> Result<Executions> {
        let take = filter.take.to_string();
        let mut query = vec![("take", take.as_str())];
        let named = [("action", &filter.action), ("status", &filter.status), ("from", &filter.from)];
        query.extend(named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
        self.get(&[ACTIONS, "executions"], &query)
    }

    pub(crate) fn execution(&self, id: &str) -> Result<Answered<Execution>> {
        self.get(&[ACTIONS, "executions", id], &[])
    }

    pub(crate) fn policy(&self) -> Result<Answered<Policy>> {
        self.get(&[ACTIONS, "policy"], &[])
    }

    /// Sets the tenant's own policy, or takes it away.
    pub(crate) fn set_policy(&self, policy: Option<&CapabilityPolicy>) -> Result<()> {
        let (method, sent) = match policy {
            Some(policy) => (Method::PUT, Sent::Json(serde_json::to_value(policy)?)),
            None => (Method::DELETE, Sent::Nothing),
        };
        self.call(&Request { method, parts: &[ACTIONS, "policy"], query: &[], sent }).map(drop)
    }

    /// The newest entries of the tenant's log, the newest first.
    pub(crate) fn latest_log(&self, count: usize) -> Result<Vec<Answered<LogEntry>>> {
        self.get(&["logs"], &[("page", "0"), ("per_page", &count.to_string())])
    }

    /// The entries after one, the oldest first; from the beginning where none is named.
    pub(crate) fn log_after(&self, entry: &str) -> Result<Vec<Answered<LogEntry>>> {
        self.get(&["logs"], &[("from", entry), ("take", &PAGE.to_string())])
    }
}
