//! `vestibule run`: a flow of Actions over an event.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use vestibule::model::outcome::Decision;
use vestibule::model::{self, Event, Outcome};
use vestibule::{Binding, Context, Flow, Runtime, Settings};

use super::picture;
use crate::actions;
use crate::table::printable;

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
        let runtime = Runtime::new(Settings { count_fuel: true, ..Settings::default() })?;
        let bindings: Result<Vec<Binding>> = self
            .actions
            .iter()
            .map(|path| {
                let action = actions::load(&runtime, path)?;
                Ok(Binding::new(action).secrets(secrets.clone()).configuration(configuration.clone()))
            })
            .collect();
        let flow = Flow::new(event.tenant.id.clone(), bindings?);
        let executor = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let outcome = executor.block_on(runtime.run(&flow, Arc::clone(&event), &Context::live()))?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&outcome)?);
        } else {
            print!("{}", picture::of(&event, &outcome));
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
            let error = anyhow!("Action {action} failed, so the login fails\n  → {}", printable(&error.to_string()));
            eprintln!("error: {error}");
            ExitCode::from(FAILED)
        }
    }
}
