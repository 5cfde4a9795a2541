//! `vestibule policy`: which Actions of a tenant may see and do what.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use vestibule::capability::CapabilityPolicy;

use crate::json;
use crate::remote::Place;
use crate::table::Table;

/// See and set which Actions of a tenant may see and do what
///
/// It is asked before each deployment. The operator's own, in the server's configuration, holds as
/// well: both must let a capability pass.
#[derive(Debug, Args)]
pub(crate) struct Policy {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the tenant's, and the operator's
    Show {
        #[command(flatten)]
        place: Place,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Replace the tenant's by that of a file, in TOML or JSON
    #[command(after_help = "\
A policy, in TOML:
  others = \"allow\"                        # what no rule is about: \"allow\" or \"deny\"
  [rules]
  \"event-user.email\" = [\"crm-sync\"]       # one capability, and the Actions that may use it
  http = []                               # a whole interface, and nobody
  event-organization = \"anyone\"")]
    Set {
        #[command(flatten)]
        place: Place,
        /// The file
        file: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Take the tenant's away: the operator's alone holds then
    Remove {
        #[command(flatten)]
        place: Place,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Policy {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        match self.what {
            What::Show { place, json } => {
                let policy = place.connect()?.policy()?;
                if json {
                    json::print(&policy)?;
                } else {
                    let mut table = Table::default();
                    table.row(["whose", "capability", "may be used by"]);
                    let operators = policy.said.get("operator").and_then(Value::as_object);
                    rows(&mut table, "the operator's", operators);
                    rows(&mut table, "the tenant's", Some(&policy.said));
                    print!("{table}");
                }
            }
            What::Set { place, file, json } => {
                let policy = read(&file)?;
                let remote = place.connect()?;
                remote.set_policy(Some(&policy))?;
                let from = file.display();
                let sentence =
                    format!("the policy of tenant {} is that of {from}, for each deployment from now on", remote.tenant());
                json::done(json, &sentence, &json!({ "tenant": remote.tenant().as_str(), "policy": policy }))?;
            }
            What::Remove { place, json } => {
                let remote = place.connect()?;
                remote.set_policy(None)?;
                let sentence = format!("tenant {} has no policy of its own", remote.tenant());
                json::done(json, &sentence, &json!({ "tenant": remote.tenant().as_str(), "policy": null }))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read(file: &Path) -> Result<CapabilityPolicy> {
    let text = std::fs::read_to_string(file).with_context(|| format!("can't read the policy {}", file.display()))?;
    let wrong = || format!("{} is no policy; see `vestibule policy set --help`", file.display());
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(&text).with_context(wrong);
    }
    toml::from_str(&text).with_context(wrong)
}

fn rows(table: &mut Table, whose: &str, policy: Option<&Map<String, Value>>) {
    let Some(policy) = policy else { return };
    let mut whose = whose;
    for (capability, who) in policy.get("rules").and_then(Value::as_object).into_iter().flatten() {
        let who = match who {
            Value::Array(names) if names.is_empty() => "nobody".to_owned(),
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        table.row([whose, capability, &who]);
        whose = "";
    }
    let others = match policy.get("others").and_then(Value::as_str) {
        Some("deny") => "nobody",
        _ => "anyone",
    };
    table.row([whose, "all else", others]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_and_json_say_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            read(&file)
        };
        let toml = file("a.toml", "others = \"deny\"\n[rules]\n\"event-user.email\" = [\"crm-sync\"]\n").unwrap();
        let json = file("a.json", r#"{ "others": "deny", "rules": { "event-user.email": ["crm-sync"] } }"#).unwrap();
        assert_eq!(toml, json);
        let error = format!("{:#}", file("wrong.toml", "others").unwrap_err());
        assert!(error.contains("is no policy; see `vestibule policy set --help`"), "{error}");
    }

    #[test]
    fn a_policy_is_shown_rule_by_rule() {
        let policy = serde_json::json!({ "others": "deny", "rules": { "event-user": ["a", "b"], "http": [], "log": "anyone" } });
        let mut table = Table::default();
        rows(&mut table, "the tenant's", policy.as_object());
        let rows: Vec<Vec<String>> = table
            .to_string()
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect())
            .collect();
        assert_eq!(
            rows,
            [
                vec!["the tenant's", "event-user", "a, b"],
                vec!["http", "nobody"],
                vec!["log", "anyone"],
                vec!["all else", "nobody"]
            ]
        );
    }
}
