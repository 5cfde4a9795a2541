//! `vestibule actions`: the Actions of a tenant, as its server has them.

use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::settings::Change;
use crate::remote::shapes::{Action, Answered, Version};
use crate::remote::{Place, Refusal, Remote};
use crate::table::{Table, kilobytes, printable};
use crate::{deploying, json};

/// See a tenant's Actions, change their settings, and run an older version again
#[derive(Debug, Args)]
pub(crate) struct Actions {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show all of them
    List {
        #[command(flatten)]
        place: Place,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Show one with everything that is known of it
    Show(One),
    /// Show its versions, the newest first
    Versions(One),
    /// Change its settings, which is effective at once and without a deployment
    Set {
        #[command(flatten)]
        one: One,
        #[command(flatten)]
        change: Change,
    },
    /// Run an older version again
    Rollback {
        #[command(flatten)]
        one: One,
        /// Which [default: the one before the one that runs]
        #[arg(long, value_name = "NUMBER")]
        to: Option<u64>,
        /// Leave the draft as it is; it becomes that of the older version otherwise
        #[arg(long)]
        keep_draft: bool,
        /// Let it see and do more than the version that runs
        #[arg(long)]
        accept_capabilities: bool,
    },
    /// Delete it with its versions and secrets
    Delete {
        #[command(flatten)]
        place: Place,
        /// Its name
        name: String,
        /// Also where it is bound
        #[arg(long)]
        force: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct One {
    #[command(flatten)]
    place: Place,
    /// Its name
    name: String,
    /// Print what the server answers, in JSON
    #[arg(long)]
    json: bool,
}

impl One {
    fn find(&self) -> Result<(Remote, Answered<Action>)> {
        let remote = self.place.connect()?;
        let action = remote.action(&self.name)?;
        Ok((remote, action))
    }
}

impl Actions {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        match self.what {
            What::List { place, json } => {
                let actions = place.connect()?.actions()?;
                if json {
                    json::print(&actions)?;
                } else {
                    print!("{}", listed(&actions));
                }
            }
            What::Show(one) => {
                let (_, action) = one.find()?;
                if one.json {
                    json::print(&action)?;
                } else {
                    show(&action);
                }
            }
            What::Versions(one) => {
                let (remote, action) = one.find()?;
                let versions = remote.versions(&action.id)?;
                if one.json {
                    json::print(&versions)?;
                } else {
                    print!("{}", of_versions(&versions));
                }
            }
            What::Set { one, change } => {
                let (remote, action) = one.find()?;
                let changed = remote.change_action(&action.id, change.of(&action)?)?;
                if one.json {
                    json::print(&changed)?;
                } else {
                    println!("{}: changed, for each login from now on", printable(&changed.name));
                }
            }
            What::Rollback { one, to, keep_draft, accept_capabilities } => {
                let (remote, action) = one.find()?;
                let running = action.deployed_version.as_ref().map(|version| version.number);
                let is_enough = |version: &Version| match to {
                    Some(number) => version.number == number,
                    None => running.is_none_or(|running| version.number < running),
                };
                let versions = remote.versions_until(&action.id, is_enough)?;
                let older = older(&action, &versions, to)?;
                let deployed = remote
                    .deploy_version(&action.id, &older.id, !keep_draft, accept_capabilities)
                    .map_err(|error| deploying::refused(error, &action.name, remote.tenant().as_str()))?;
                if one.json {
                    json::print(&deployed)?;
                } else {
                    println!(
                        "{} version {} is deployed for tenant {}",
                        printable(&action.name),
                        deployed.number,
                        remote.tenant()
                    );
                }
            }
            What::Delete { place, name, force, json } => {
                let remote = place.connect()?;
                let deleted = remote.delete_action(&remote.action(&name)?.id, force);
                deleted.map_err(|error| match error.downcast_ref::<Refusal>() {
                    Some(refusal) if refusal.code == "action_bound" => {
                        anyhow!("{name} was not deleted: {refusal}\n  help: --force deletes it together with its binding")
                    }
                    _ => error.context(format!("{name} was not deleted")),
                })?;
                json::done(json, &format!("{}: deleted", printable(&name)), &json!({ "name": name, "deleted": true }))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The version that is to run again.
fn older<'a>(action: &Action, versions: &'a [Answered<Version>], to: Option<u64>) -> Result<&'a Version> {
    let name = &action.name;
    let Some(running) = action.deployed_version.as_ref().map(|version| version.number) else {
        bail!("{name} has never been deployed, so there is nothing to go back to");
    };
    let found = match to {
        Some(number) => versions.iter().find(|version| version.number == number),
        None => versions.iter().filter(|version| version.number < running).max_by_key(|version| version.number),
    };
    match (found, to) {
        (Some(version), _) => Ok(version),
        (None, Some(number)) => {
            bail!("{name} has no version {number}; `vestibule actions versions {name}` shows those there are")
        }
        (None, None) => bail!(
            "{name} has no version before {running}, which runs; `vestibule bindings remove {name}` has logins run it no longer"
        ),
    }
}

fn listed(actions: &[Answered<Action>]) -> Table {
    let mut table = Table::default();
    table.row(["name", "trigger", "runs", "draft", "size", "secrets", "changed"]);
    for action in actions {
        let runs = action.deployed_version.as_ref().map_or_else(|| "–".to_owned(), |version| version.number.to_string());
        let size = action.running().or(action.component.as_ref()).map_or_else(String::new, |component| size(component.size));
        table.row([
            &action.name,
            action.trigger(),
            &runs,
            draft(action),
            &size,
            &action.secrets.len().to_string(),
            action.updated_at.as_deref().unwrap_or_default(),
        ]);
    }
    table
}

/// What is to be known of the draft.
fn draft(action: &Action) -> &str {
    match action.status.as_deref() {
        Some("built") if action.all_changes_deployed => "deployed",
        Some(status) => status,
        None => "–",
    }
}

fn size(bytes: u64) -> String {
    kilobytes(usize::try_from(bytes).unwrap_or(usize::MAX))
}

fn show(action: &Action) {
    println!(" {} {}\n", printable(&action.name), printable(&action.id));
    let mut table = Table::default();
    table.row(["trigger", action.trigger()]);
    let runs = action.deployed_version.as_ref().map_or_else(
        || "nothing yet".to_owned(),
        |version| format!("version {}, since {}", version.number, version.created_at.as_deref().unwrap_or_default()),
    );
    table.row(["runs", &runs]);
    table.row(["draft", draft(action)]);
    for error in &action.errors {
        table.row(["", &format!("{}: {}", error.id, error.msg)]);
    }
    if let Some(component) = action.running().or(action.component.as_ref()) {
        let of: Vec<&str> = [&component.name, &component.version].into_iter().flatten().map(String::as_str).collect();
        let contract = component.contract.as_deref().unwrap_or_default();
        table.row(["component", &format!("{} · {} · contract {contract}", of.join(" "), size(component.size))]);
        table.row(["sha256", &component.sha256]);
        several(&mut table, "capabilities", component.capabilities.iter().map(String::as_str));
    }
    let settings = &action.settings;
    table.row(["on failure", &settings.on_failure]);
    several(&mut table, "may request", settings.allowed_origins.iter().map(String::as_str));
    let pairs = settings.configuration.iter().map(|(name, value)| format!("{name} = {value}"));
    several(&mut table, "configuration", pairs.collect::<Vec<_>>().iter().map(String::as_str));
    let limits = settings.limits.iter().map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name} = {text}"),
        None => format!("{name} = {value}"),
    });
    several(&mut table, "limits", limits.collect::<Vec<_>>().iter().map(String::as_str));
    several(&mut table, "secrets", action.secrets.iter().map(|secret| secret.name.as_str()));
    print!("{table}");
}

/// One below the other, under one label.
fn several<'a>(table: &mut Table, label: &'a str, values: impl Iterator<Item = &'a str>) {
    let mut label = label;
    for value in values {
        table.row([label, value]);
        label = "";
    }
}

fn of_versions(versions: &[Answered<Version>]) -> Table {
    let mut table = Table::default();
    table.row(["version", "runs", "made", "size", "capabilities", "sha256"]);
    for version in versions {
        let component = version.component.as_ref();
        table.row([
            &version.number.to_string(),
            if version.deployed { "yes" } else { "" },
            version.created_at.as_deref().unwrap_or_default(),
            &component.map_or_else(String::new, |component| size(component.size)),
            &component.map_or_else(String::new, |component| component.capabilities.len().to_string()),
            component.map_or("", |component| &component.sha256),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(running: Option<u64>) -> Action {
        let version = running.map(|number| json!({ "id": "v", "number": number }));
        serde_json::from_value(json!({ "id": "1", "name": "gate", "deployed_version": version })).unwrap()
    }

    fn versions(numbers: &[u64]) -> Vec<Answered<Version>> {
        let version = |number| serde_json::from_value(json!({ "id": format!("v{number}"), "number": number })).unwrap();
        numbers.iter().map(version).collect()
    }

    #[test]
    fn one_goes_back_to_the_version_before_the_one_that_runs() {
        let all = versions(&[4, 3, 2, 1]);
        assert_eq!(older(&action(Some(3)), &all, None).unwrap().number, 2, "and not to the one that was made before the last");
        assert_eq!(older(&action(Some(3)), &all, Some(4)).unwrap().id, "v4");
    }

    #[test]
    fn who_cannot_go_back_is_told_why() {
        let told = |running, numbers: &[u64], to| older(&action(running), &versions(numbers), to).unwrap_err().to_string();
        assert!(told(None, &[], None).contains("never been deployed"));
        assert!(told(Some(1), &[1], None).contains("no version before 1"));
        assert!(told(Some(2), &[2, 1], Some(7)).contains("has no version 7; `vestibule actions versions gate`"));
    }

    #[test]
    fn a_list_says_what_runs_and_how_the_draft_is() {
        let said = json!({ "id": "1", "name": "gate", "status": "failed", "deployed_version": { "id": "v", "number": 3 } });
        let shown = listed(&[serde_json::from_value(said).unwrap()]).to_string();
        let row: Vec<&str> = shown.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["gate", "post-login", "3", "failed", "0"]);
    }
}
