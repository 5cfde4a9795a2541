//! `vestibule test`: an Action's cases, each run in the sandbox and compared with what is expected.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::Value;
use vestibule::model::Outcome;
use vestibule::{Action, Config, Runtime};

use crate::actions;
use crate::case::Case;
use crate::loading::Caching;
use crate::network::Network;
use crate::seen::{difference, seen};
use crate::table::{Table, printable, thousands};

/// Run an Action's cases in the sandbox, and compare what they do with what is expected
///
/// A case is a file of the crate, cases/NAME.json: {"event": "../events/login.json", "with": {},
/// "at": "2026-01-01T00:00:00Z", "secrets": {}, "configuration": {}, "allow":
/// ["https://api.example.com"], "expect": {}}. `event` is a file's path or the event itself, `with`
/// what differs from it, `allow` the origins that requests may go to, `expect` the outcome; all but
/// `event` may be missing. Or it is a folder: cases/NAME/event.json, cases/NAME/context.json with
/// `at`, `secrets`, `configuration` and `allow`, and cases/NAME/expected.json.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vestibule test                     the Action in this folder
  vestibule test examples/*          several
  vestibule test --bless             expect from now on what is seen: read the change before you commit it

Exit codes: 0 all cases are as expected; 1 one is not, or can't be run.")]
pub(crate) struct Test {
    /// The folders of Actions' crates
    #[arg(default_value = ".")]
    folders: Vec<PathBuf>,
    /// Run these cases alone
    #[arg(long, value_name = "NAME")]
    case: Vec<String>,
    /// Write what is seen as what is expected
    #[arg(long)]
    bless: bool,
    #[command(flatten)]
    caching: Caching,
    #[command(flatten)]
    network: Network,
}

/// How a case has ended.
enum Verdict {
    Ok,
    Blessed,
    /// What was expected, and what was seen.
    Other(Value, Value),
    /// Nobody has said yet what is expected.
    Unexpected(Value),
    Wrong(anyhow::Error),
}

impl Test {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let (mut passed, mut failed) = (0, 0);
        for folder in &self.folders {
            // Of many, as a shell gives them, some are something else.
            if self.folders.len() > 1 && !(folder.join("Cargo.toml").is_file() && folder.join("cases").is_dir()) {
                eprintln!("   Skipping {}: no crate with cases", folder.display());
                continue;
            }
            let cases = self.cases(folder)?;
            let http = self.network.settings();
            let runtime =
                Runtime::new(Config { count_fuel: true, read_symbols: true, http, ..Config::default() }.for_one_login())?;
            let action = actions::read(folder)?.load(&self.caching.loader(&runtime)?)?;
            let mut table = Table::default();
            let mut details = String::new();
            table.row(["case", "result", "time", "fuel"]);
            for case in cases {
                let (verdict, outcome) = match self.run(&runtime, &action, &case) {
                    Ok(outcome) => (self.judge(&case, &seen(&outcome)), Some(outcome)),
                    Err(error) => (Verdict::Wrong(error), None),
                };
                let report = outcome.as_ref().and_then(|outcome| outcome.actions.first());
                let time =
                    report.map_or("–".to_owned(), |report| format!("{} µs", thousands(report.duration.as_micros() as u64)));
                let fuel = report.and_then(|report| report.fuel).map_or("–".to_owned(), thousands);
                let word = match &verdict {
                    Verdict::Ok => "ok",
                    Verdict::Blessed => "blessed",
                    _ => "FAILED",
                };
                table.row([&case.name, word, &time, &fuel]);
                *(if word == "FAILED" { &mut failed } else { &mut passed }) += 1;
                details.push_str(&detail(&case, &verdict));
            }
            println!("\n Cases of {}\n\n{table}{details}", action.id());
        }
        println!(" {passed} passed, {failed} failed");
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn cases(&self, folder: &Path) -> Result<Vec<Case>> {
        let mut cases = Case::all(folder)?;
        if let Some(unknown) = self.case.iter().find(|name| !cases.iter().any(|case| case.name == **name)) {
            let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
            bail!("{} has no case {unknown}; it has {}", folder.display(), names.join(", "));
        }
        cases.retain(|case| self.case.is_empty() || self.case.contains(&case.name));
        Ok(cases)
    }

    fn run(&self, runtime: &Runtime, action: &Action, case: &Case) -> Result<Outcome> {
        let (event, flow, context) = case.prepare(action, &self.network)?;
        let executor = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        Ok(executor.block_on(runtime.run(&flow, Arc::clone(&event), &context))?)
    }

    fn judge(&self, case: &Case, seen: &Value) -> Verdict {
        let judged = || -> Result<Verdict> {
            let expected = case.expected()?;
            if expected.as_ref() == Some(seen) {
                return Ok(Verdict::Ok);
            }
            if self.bless {
                case.expect(seen)?;
                return Ok(Verdict::Blessed);
            }
            Ok(match expected {
                Some(expected) => Verdict::Other(expected, seen.clone()),
                None => Verdict::Unexpected(seen.clone()),
            })
        };
        judged().unwrap_or_else(Verdict::Wrong)
    }
}

fn detail(case: &Case, verdict: &Verdict) -> String {
    let name = &case.name;
    match verdict {
        Verdict::Ok | Verdict::Blessed => String::new(),
        Verdict::Other(expected, seen) => {
            format!("\n   {name}: - expected, + seen (`--bless` expects it from now on)\n\n{}", difference(expected, seen))
        }
        Verdict::Unexpected(seen) => {
            let seen = crate::seen::written(seen).lines().map(|line| format!("   + {line}\n")).collect::<String>();
            format!("\n   {name}: nothing is expected yet; `--bless` writes this into {}\n\n{seen}", case.expected_in())
        }
        Verdict::Wrong(error) => format!("\n   {name}: {}\n", printable(&format!("{error:#}"))),
    }
}
