//! `vestibule secrets`: values that an Action reads by name, and that nobody reads here.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::remote::Place;
use crate::table::{Table, printable};
use crate::{input, json};

/// Set and remove the secrets of an Action, effective at once
///
/// They are encrypted where they are kept, and never come back out.
#[derive(Debug, Args)]
pub(crate) struct Secrets {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Set one; its value is read from standard input
    ///
    /// All of the input is the value, but for the end of its last line.
    #[command(after_help = "\
Examples:
  pass show acme/crm | vestibule secrets set API_KEY --action crm-sync --tenant acme
  vestibule secrets set SIGNING_KEY --action crm-sync --tenant acme < key.pem")]
    Set {
        /// Its name
        name: String,
        #[command(flatten)]
        of: Of,
    },
    /// Show their names
    List {
        #[command(flatten)]
        of: Of,
    },
    /// Remove one
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Debug, Args)]
struct Of {
    #[command(flatten)]
    place: Place,
    /// Whose: the Action's name
    #[arg(long, value_name = "NAME")]
    action: String,
    /// Print it in JSON
    #[arg(long)]
    json: bool,
}

impl Secrets {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        match self.what {
            What::Set { name, of } => {
                let remote = of.place.connect()?;
                let value = input::all(&format!("pass show {name} | vestibule secrets set {name} …"))?;
                remote.set_secret(&remote.action(&of.action)?.id, &name, &value)?;
                let lines = match value.lines().count() {
                    1 => String::new(),
                    lines => format!(", {lines} lines"),
                };
                let sentence = format!("{}: set for {}{lines}", printable(&name), printable(&of.action));
                json::done(of.json, &sentence, &json!({ "action": of.action, "name": name, "set": true }))?;
            }
            What::List { of } => {
                let action = of.place.connect()?.action(&of.action)?;
                if of.json {
                    let secrets =
                        action.secrets.iter().map(|secret| json!({ "name": secret.name, "updated_at": secret.updated_at }));
                    json::print(&secrets.collect::<Value>())?;
                } else {
                    let mut table = Table::default();
                    table.row(["name", "set"]);
                    for secret in &action.secrets {
                        table.row([&secret.name, secret.updated_at.as_deref().unwrap_or_default()]);
                    }
                    print!("{table}");
                }
            }
            What::Remove { name, of } => {
                let remote = of.place.connect()?;
                remote.remove_secret(&remote.action(&of.action)?.id, &name)?;
                let sentence = format!("{}: removed from {}", printable(&name), printable(&of.action));
                json::done(of.json, &sentence, &json!({ "action": of.action, "name": name, "removed": true }))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
