//! `vestibule limits`: what an Action, a login, a tenant and a host may use.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use vestibule::limits::{self, Limit, Scope};

use crate::table::Table;

/// Show what an Action, a login, a tenant and a host may use, and what happens beyond
#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

/// In the order in which they are shown, with what each is about.
const SCOPES: [(Scope, &str); 5] = [
    (Scope::Action, "One run of one Action"),
    (Scope::Flow, "The Actions of one login together"),
    (Scope::Tenant, "One tenant at one time"),
    (Scope::Host, "The host, and the components that it loads"),
    (Scope::Effect, "What one effect asks for"),
];

impl Limits {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let all = limits::all();
        if self.json {
            println!("{}", serde_json::to_string_pretty(&all.iter().map(row).collect::<Value>())?);
            return Ok(ExitCode::SUCCESS);
        }
        for (scope, about) in SCOPES {
            println!("\n {about} (raised by {})\n", scope.raised_by());
            let mut table = Table::default();
            table.row(["limit", "default", "at most", "what", "beyond"]);
            for Limit { name, allowed, maximum, what, beyond, .. } in all.iter().filter(|limit| limit.scope == scope) {
                table.row([name, allowed, maximum, what, &beyond.replace('`', "")]);
            }
            print!("{table}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(limit: &Limit) -> Value {
    let Limit { name, scope, allowed, maximum, what, beyond } = limit;
    json!({
        "name": name, "scope": scope.name(), "default": allowed, "at_most": maximum, "what": what,
        "beyond": beyond.replace('`', ""), "raised_by": scope.raised_by(),
    })
}
