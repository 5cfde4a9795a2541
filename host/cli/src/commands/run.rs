//! `vestibule run`: a flow of Actions over an event.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use vestibule::limits::HostLimits;
use vestibule::model::Outcome;
use vestibule::model::outcome::Decision;
use vestibule::{Action, Config, Runtime};

use super::repeat::Distribution;
use super::{picture, profile};
use crate::actions::{self, Component};
use crate::binding::Given;
use crate::case;
use crate::loading::Caching;
use crate::table::{printable, thousands};

/// The exit code of a login that was denied.
const DENIED: u8 = 3;
/// The exit code of a login that failed.
const FAILED: u8 = 4;

/// Run Actions over a login event, and show what they did
///
/// Several Actions form one flow, in this order: a later one sees what an earlier one has set.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vestibule run . --event cases/a-login/event.json
  vestibule run first second.wasm --event login.json --configuration suspended=initech
  vestibule run . --event login.json --allow https://api.example.com
  vestibule run . --event login.json --profile out.svg     where its fuel goes, as a flame graph
  vestibule run . --event login.json --repeat 10000        how long it takes, as a distribution

Exit codes: 0 the login is allowed; 1 it could not be run; 3 it is denied; 4 it failed.")]
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
    /// Write where the Actions spend their fuel, by function: .json for Firefox's profiler, .svg
    /// for a flame graph, else folded stacks
    #[arg(long, value_name = "OUT", conflicts_with = "repeat")]
    profile: Option<PathBuf>,
    /// Run the flow so often, and show how long it takes as a distribution
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "json")]
    repeat: Option<u32>,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    caching: Caching,
}

impl Run {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        // The event first: what is wrong with it is told before anything is built.
        let event = Arc::new(case::event(&self.event)?);
        self.given.check()?;
        let components: Vec<Component> = self.actions.iter().map(|path| actions::read(path)).collect::<Result<_>>()?;
        let flow = |runtime: &Runtime| {
            let loading = self.caching.loader(runtime)?;
            let actions: Result<Vec<Action>> = components.iter().map(|component| component.load(&loading)).collect();
            self.given.flow(&event, actions?)
        };
        let executor = tokio::runtime::Builder::new_current_thread().enable_time().build()?;

        let runtime = Runtime::new(
            Config { count_fuel: true, read_symbols: true, http: self.given.http(), ..Config::default() }.for_one_login(),
        )?;
        let (first, context) = flow(&runtime)?;
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
            let settings = Config { http: self.given.http(), ..Config::default() }.for_one_login();
            // And each Action finds its memory as it has left it.
            let host_limits = HostLimits { warm_memories: components.len(), ..settings.host_limits };
            let runtime = Runtime::new(Config { host_limits, ..settings })?;
            let (flow, context) = flow(&runtime)?;
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
