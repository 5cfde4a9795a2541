//! `vestibule run`: a flow of Actions over an event.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Args;
use vestibule::model::outcome::Decision;
use vestibule::model::{self, Event, Outcome, Timestamp};
use vestibule::{Binding, Context, Flow, Runtime, Settings};

use super::repeat::Distribution;
use super::{picture, profile};
use crate::actions::{self, Component};
use crate::table::{printable, thousands};

/// The exit code of a login that was denied.
const DENIED: u8 = 3;
/// The exit code of a login that failed.
const FAILED: u8 = 4;

/// Run Actions over a login event, and show what they did
///
/// Several Actions form one flow, in this order: a later one sees what an earlier one has set. The exit code is 0 when the login is
/// allowed, 3 when it is denied, 4 when it failed, and 1 when it could not be run.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Component files, or folders of Actions' crates, which are built first
    #[arg(required = true, value_name = "ACTION")]
    actions: Vec<PathBuf>,
    /// The login event, in JSON, as Auth0 documents it
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// The time of the login, in ISO 8601 [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Write where the Actions spend their fuel, by function: .json for Firefox's profiler, .svg for a flame graph, else folded stacks
    #[arg(long, value_name = "OUT", conflicts_with = "repeat")]
    profile: Option<PathBuf>,
    /// Run the flow so often, and show how long it takes as a distribution
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "json")]
    repeat: Option<u32>,
    /// A secret that the Actions can read
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    secret: Vec<(String, String)>,
    /// A configuration value that the Actions can read
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    configuration: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    // The text may be a secret, so the error must not repeat it.
    let (name, value) = text.split_once('=').ok_or("it has no `=`; write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn settings(pairs: Vec<(String, String)>, what: &str) -> Result<model::Settings> {
    let mut settings = model::Settings::default();
    for (name, value) in pairs {
        settings.set(&name, value).with_context(|| format!("a {what} can't be like this"))?;
    }
    Ok(settings)
}

fn event(file: &Path) -> Result<Event> {
    let json = std::fs::read(file).with_context(|| format!("can't read the event {}", file.display()))?;
    Event::from_json(&json).with_context(|| file.display().to_string())
}

impl Run {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        // The event first: what is wrong with it is told before anything is built.
        let event = Arc::new(event(&self.event)?);
        let secrets = settings(self.secret, "secret")?;
        let configuration = settings(self.configuration, "configuration value")?;
        let actions: Vec<Component> = self.actions.iter().map(|path| actions::read(path)).collect::<Result<_>>()?;
        let flow = |runtime: &Runtime| -> Result<Flow> {
            let bindings: Result<Vec<Binding>> = actions
                .iter()
                .map(|action| {
                    Ok(Binding::new(action.load(runtime)?).secrets(secrets.clone()).configuration(configuration.clone()))
                })
                .collect();
            Ok(Flow::new(event.tenant.id.clone(), bindings?))
        };
        let context = Context { now: self.at.unwrap_or_else(Timestamp::now), ..Context::live() };
        let executor = tokio::runtime::Builder::new_current_thread().enable_time().build()?;

        let runtime = Runtime::new(Settings { count_fuel: true, read_symbols: true, ..Settings::default() })?;
        let first = flow(&runtime)?;
        let (outcome, profiles) = match &self.profile {
            Some(_) => executor.block_on(runtime.profile(&first, Arc::clone(&event), &context))?,
            None => (executor.block_on(runtime.run(&first, Arc::clone(&event), &context))?, Vec::new()),
        };
        if self.json {
            println!("{}", serde_json::to_string_pretty(&outcome)?);
        } else {
            print!("{}", picture::of(&event, &outcome));
        }
        if let Some(file) = &self.profile {
            profile::write(&profiles, file)?;
            if !self.json {
                print!("{}", profile::table(&profiles));
            }
            eprintln!("    Profile {}", file.display());
        }
        if let Some(times) = self.repeat {
            // Timed as a host runs it: fuel isn't counted, and symbols aren't read.
            let runtime = Runtime::new(Settings::default())?;
            let flow = flow(&runtime)?;
            let mut durations = Vec::new();
            for _ in 0..times {
                let started = Instant::now();
                executor.block_on(runtime.run(&flow, Arc::clone(&event), &context))?;
                durations.push(started.elapsed());
            }
            println!("   Time of {} runs of the flow, one after the other\n", thousands(u64::from(times)));
            println!("{}", Distribution::new(durations));
        }
        Ok(conclusion(&outcome))
    }
}

/// The exit code, and the failure's error.
fn conclusion(outcome: &Outcome) -> ExitCode {
    match &outcome.decision {
        Decision::Allow => ExitCode::SUCCESS,
        Decision::Deny { .. } => ExitCode::from(DENIED),
        Decision::Failed { error, action } => {
            eprintln!("error: Action {action} failed, so the login fails\n  → {}", printable(&error.to_string()));
            if let Some(report) = outcome.actions.iter().find(|report| report.failure().is_some() && report.action == *action) {
                eprint!("{}", picture::trace(report));
            }
            ExitCode::from(FAILED)
        }
    }
}
