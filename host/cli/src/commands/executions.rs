//! `vestibule executions`: what Actions have done in a tenant's flows.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::json;
use crate::remote::shapes::{ActionResult, Answered, Execution};
use crate::remote::{Filter, Place};
use crate::table::{Table, megabytes, printable, thousands};

/// See what Actions have done in a tenant's flows: results, fuel, memory, logs
#[derive(Debug, Args)]
pub(crate) struct Executions {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the newest
    List {
        #[command(flatten)]
        place: Place,
        /// Of this Action alone
        #[arg(long, value_name = "NAME")]
        action: Option<String>,
        /// Of this status alone: final, partial or canceled
        #[arg(long)]
        status: Option<String>,
        /// So many, 100 at most
        #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=100))]
        take: u8,
        /// Those after this one, which an earlier list has named
        #[arg(long, value_name = "NEXT")]
        from: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show one with its Actions and their logs
    Show {
        #[command(flatten)]
        place: Place,
        /// Its id, `details.execution_id` in the tenant's log
        id: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Executions {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        match self.what {
            What::List { place, action, status, take, from, json } => {
                let page = place.connect()?.executions(&Filter { action, status, from, take: usize::from(take) })?;
                if json {
                    json::print(&serde_json::json!({ "executions": page.executions, "next": page.next }))?;
                } else {
                    print!("{}", listed(&page.executions));
                    if let Some(next) = page.next {
                        println!("   and more: --from {}", printable(&next));
                    }
                }
            }
            What::Show { place, id, json } => {
                let execution = place.connect()?.execution(&id)?;
                if json {
                    json::print(&execution)?;
                } else {
                    show(&execution);
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn listed(executions: &[Answered<Execution>]) -> Table {
    let mut table = Table::default();
    table.row(["id", "at", "status", "decision", "user", "actions"]);
    for execution in executions {
        let actions: Vec<String> = execution.results.iter().map(called).collect();
        table.row([
            &execution.id,
            &execution.created_at,
            &execution.status,
            &text(execution.decision.as_ref()),
            execution.user_id.as_deref().unwrap_or_default(),
            &actions.join(", "),
        ]);
    }
    table
}

fn called(result: &ActionResult) -> String {
    match &result.version {
        Some(version) => format!("{}@{version}", result.action_name),
        None => result.action_name.clone(),
    }
}

/// A text as it is, anything else as JSON.
fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn show(execution: &Execution) {
    println!(" {} of {}: {}\n", printable(&execution.id), printable(&execution.trigger_id), printable(&execution.status));
    let mut table = Table::default();
    table.row(["at", &execution.created_at]);
    table.row(["decision", &text(execution.decision.as_ref())]);
    for (label, value) in [("user", &execution.user_id), ("session", &execution.session_id)] {
        if let Some(value) = value {
            table.row([label, value]);
        }
    }
    println!("{table}");
    let mut table = Table::default();
    table.row(["action", "result", "began", "ended", "fuel", "memory"]);
    for result in &execution.results {
        let fuel = result.fuel.map_or_else(|| "–".to_owned(), thousands);
        let memory =
            result.peak_memory_bytes.and_then(|bytes| usize::try_from(bytes).ok()).map_or_else(|| "–".to_owned(), megabytes);
        let how = result.result.as_deref().unwrap_or_default();
        table.row([&called(result), how, &result.started_at, &result.ended_at, &fuel, &memory]);
        if let Some(error) = &result.error {
            table.row(["", &format!("{}: {}", error.id, error.msg), "", "", "", ""]);
        }
    }
    print!("{table}");
    for result in execution.results.iter().filter(|result| !result.log.is_empty() || result.log_cut) {
        println!("\n   Log of {}", printable(&called(result)));
        result.log.iter().for_each(|line| println!("   {}", printable(&log_line(line))));
        if result.log_cut {
            println!("   … and more, which is not kept");
        }
    }
}

/// A line is a text, or an object with `level` and `message`.
fn log_line(line: &Value) -> String {
    match (line["level"].as_str(), line["message"].as_str()) {
        (Some(level), Some(message)) => format!("{level:<6} {message}"),
        _ => text(Some(line)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_says_which_actions_ran_in_which_version() {
        let said = json!({
            "id": "e1", "status": "final", "created_at": "2026-01-01T00:00:00.000Z", "decision": "allow", "user_id": "auth0|1",
            "results": [{ "action_name": "gate", "version": "3" }, { "action_name": "other" }],
        });
        let shown = listed(&[serde_json::from_value(said).unwrap()]).to_string();
        assert!(
            shown.contains("e1") && shown.contains("final") && shown.contains("allow") && shown.contains("gate@3, other"),
            "{shown}"
        );
    }

    #[test]
    fn a_line_of_a_log_is_shown_with_its_level() {
        assert_eq!(log_line(&json!({ "level": "info", "message": "hello" })), "info   hello");
        assert_eq!(log_line(&json!("hello")), "hello");
    }
}
