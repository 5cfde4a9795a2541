//! `vestibule logs`: what has happened at a tenant, and what happens.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::output;
use crate::remote::shapes::{Answered, LogEntry};
use crate::remote::{Place, may_pass};
use crate::table::printable;

/// How often new entries are asked for: a person waits no longer, and a tenant's rate allows far
/// more.
const EVERY: Duration = Duration::from_secs(1);

/// Show a tenant's log: logins, ends of sessions, and what applications were told
#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    place: Place,
    /// So many of the newest entries, 100 at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=100))]
    take: u8,
    /// Go on with what comes, until it is interrupted
    #[arg(long, short)]
    follow: bool,
    /// Print each entry as a line of JSON
    #[arg(long)]
    json: bool,
}

impl Logs {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let remote = self.place.connect()?;
        let mut entries = remote.latest_log(usize::from(self.take))?;
        entries.reverse();
        let (mut last, mut is_away) = (String::new(), false);
        loop {
            let count = entries.len();
            self.print(&entries)?;
            if let Some(entry) = entries.last() {
                last.clone_from(&entry.log_id);
            }
            if !self.follow || output::is_closed() {
                return Ok(ExitCode::SUCCESS);
            }
            // A full page has more behind it.
            if count < 100 {
                std::thread::sleep(EVERY);
            }
            entries = match remote.log_after(&last) {
                Ok(entries) => {
                    is_away = false;
                    entries
                }
                // It may be started anew just now. That is told once.
                Err(error) if may_pass(&error) => {
                    if !is_away {
                        eprintln!("    Warning it is asked again until it answers: {error:#}");
                    }
                    is_away = true;
                    Vec::new()
                }
                Err(error) => return Err(error),
            };
        }
    }

    fn print(&self, entries: &[Answered<LogEntry>]) -> Result<()> {
        let mut lines = String::new();
        for entry in entries {
            lines.push_str(&if self.json { serde_json::to_string(entry)? } else { line(entry) });
            lines.push('\n');
        }
        print!("{lines}");
        output::flush()
    }
}

fn line(entry: &LogEntry) -> String {
    let what = match entry.kind.as_str() {
        "s" => "login allowed",
        "f" => "login not allowed",
        "slo" => "session ended",
        "sslo" => "logout delivered",
        "fslo" => "logout not delivered",
        other => other,
    };
    let about = [("user", &entry.user_id), ("client", &entry.client_id), ("session", &entry.session_id)];
    let about: Vec<String> =
        about.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", printable(value.as_deref()?)))).collect();
    let mut line = format!("{}  {:<20}  {}", printable(&entry.date), printable(what), about.join("  "));
    if let Some(description) = &entry.description {
        line.push_str("  ");
        line.push_str(&printable(description));
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_is_one_line_whatever_it_says() {
        let said = json!({
            "log_id": "log_1", "date": "2026-01-01T00:00:00.000Z", "type": "f", "user_id": "auth0|1", "client_id": "shop",
            "description": "not\ntoday",
        });
        let entry: LogEntry = serde_json::from_value(said).unwrap();
        assert_eq!(line(&entry), "2026-01-01T00:00:00.000Z  login not allowed     user auth0|1  client shop  not\\ntoday");
    }
}
