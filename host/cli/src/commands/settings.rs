//! What `vestibule actions set` changes of an Action.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use vestibule::http::Origin;

use crate::remote::shapes::Action;

/// What is to be different.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Call it this
    #[arg(long, value_name = "NAME")]
    rename: Option<String>,
    /// Set a configuration value
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    configuration: Vec<(String, String)>,
    /// Remove a configuration value
    #[arg(long, value_name = "NAME")]
    no_configuration: Vec<String>,
    /// Let it send HTTP requests to this origin: https://api.example.com
    #[arg(long, value_name = "ORIGIN")]
    allow: Vec<Origin>,
    /// Let it send no more requests to this origin
    #[arg(long, value_name = "ORIGIN")]
    no_allow: Vec<String>,
    /// Set a limit, `memory=32 MiB`; see `vestibule limits`
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    limit: Vec<(String, String)>,
    /// Leave a limit to the tenant's
    #[arg(long, value_name = "NAME")]
    no_limit: Vec<String>,
    /// What becomes of a login when it fails
    #[arg(long)]
    on_failure: Option<OnFailure>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnFailure {
    /// The login fails
    FailLogin,
    /// The login goes on without it
    Continue,
}

impl Change {
    /// The body that changes an Action. What isn't named stays as it is.
    pub(crate) fn of(&self, action: &Action) -> Result<Map<String, Value>> {
        let mut body = Map::new();
        if let Some(name) = &self.rename {
            body.insert("name".to_owned(), name.as_str().into());
        }
        if !self.configuration.is_empty() || !self.no_configuration.is_empty() {
            let mut configuration = action.settings.configuration.clone();
            for name in &self.no_configuration {
                known(configuration.remove(name).is_some(), "configuration value", name)?;
            }
            configuration.extend(self.configuration.iter().cloned());
            body.insert("configuration".to_owned(), serde_json::to_value(configuration)?);
        }
        if !self.allow.is_empty() || !self.no_allow.is_empty() {
            let mut origins = action.settings.allowed_origins.clone();
            for origin in &self.no_allow {
                let before = origins.len();
                origins.retain(|allowed| allowed != origin);
                known(origins.len() < before, "allowed origin", origin)?;
            }
            for origin in self.allow.iter().map(ToString::to_string) {
                if !origins.contains(&origin) {
                    origins.push(origin);
                }
            }
            body.insert("allowed_origins".to_owned(), origins.into());
        }
        if !self.limit.is_empty() || !self.no_limit.is_empty() {
            let mut limits = action.settings.limits.clone();
            for name in &self.no_limit {
                known(limits.remove(name).is_some(), "limit", name)?;
            }
            limits.extend(self.limit.iter().map(|(name, amount)| (name.clone(), amount.as_str().into())));
            body.insert("limits".to_owned(), limits.into());
        }
        if let Some(on_failure) = self.on_failure {
            let text = match on_failure {
                OnFailure::FailLogin => "fail-login",
                OnFailure::Continue => "continue",
            };
            body.insert("on_failure".to_owned(), text.into());
        }
        if body.is_empty() {
            bail!("nothing is to be changed; `vestibule actions set --help` shows what can be");
        }
        Ok(body)
    }
}

fn known(is_there: bool, what: &str, name: &str) -> Result<()> {
    if !is_there {
        bail!("it has no {what} {name}; `vestibule actions show` shows what it has");
    }
    Ok(())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it has no `=`; write NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        change: Change,
    }

    fn change(arguments: &[&str]) -> Result<Value> {
        let said = json!({
            "id": "1", "name": "gate", "on_failure": "fail-login", "limits": { "memory": "16 MiB" },
            "configuration": { "a": "1", "b": "2" }, "allowed_origins": ["https://a.example"],
        });
        let action: Action = serde_json::from_value(said).unwrap();
        let line = Line::try_parse_from([&["set"], arguments].concat()).unwrap();
        line.change.of(&action).map(Value::Object)
    }

    #[test]
    fn what_is_not_named_stays_as_it_is() {
        assert_eq!(
            change(&["--configuration", "a=x=y", "--no-configuration", "b"]).unwrap(),
            json!({ "configuration": { "a": "x=y" } })
        );
        let origins = json!({ "allowed_origins": ["https://a.example", "https://b.example"] });
        assert_eq!(change(&["--allow", "https://b.example", "--allow", "https://a.example"]).unwrap(), origins);
        assert_eq!(
            change(&["--limit", "cpu_time=50 ms"]).unwrap(),
            json!({ "limits": { "memory": "16 MiB", "cpu_time": "50 ms" } })
        );
        assert_eq!(
            change(&["--no-limit", "memory", "--on-failure", "continue"]).unwrap(),
            json!({ "limits": {}, "on_failure": "continue" })
        );
        assert_eq!(change(&["--rename", "door"]).unwrap(), json!({ "name": "door" }));
    }

    #[test]
    fn what_is_not_there_cannot_be_removed_and_nothing_is_no_change() {
        assert!(change(&["--no-configuration", "c"]).unwrap_err().to_string().contains("no configuration value c"));
        assert!(change(&["--no-allow", "https://b.example"]).unwrap_err().to_string().contains("no allowed origin"));
        assert!(change(&[]).unwrap_err().to_string().contains("nothing is to be changed"));
    }
}
