//! `vestibule deploy`: from an author's folder into the next login.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::deploying::{self, timed, told};
use crate::remote::shapes::{Action, Answered, Version};
use crate::remote::{Place, Remote};
use crate::table::{kilobytes, printable};
use crate::{actions, json};

/// Upload an Action to a tenant's server, and run it in logins from now on
///
/// What is uploaded is what `vestibule build --release` makes. An Action that isn't there yet is created. What it asks for beyond the version
/// that runs is shown, and refused without --accept-capabilities. Nothing is done where all of it is done already.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vestibule deploy . --tenant acme --bind                  from a folder into the next login
  vestibule actions rollback device-name --tenant acme     and back again")]
pub(crate) struct Deploy {
    /// A component file, or the folder of an Action's crate
    #[arg(default_value = ".")]
    action: PathBuf,
    #[command(flatten)]
    place: Place,
    /// What it is called there [default: the component's own name]
    #[arg(long)]
    name: Option<String>,
    /// What it is run at, where it is created
    #[arg(long, default_value = "post-login")]
    trigger: String,
    /// Bind it at the end of its trigger's order, where it isn't bound yet
    #[arg(long)]
    bind: bool,
    /// Let it see and do more than the version that runs
    #[arg(long)]
    accept_capabilities: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What was done.
struct Done {
    action: Answered<Action>,
    sha256: String,
    is_new: bool,
    /// What it asks for beyond the version that ran.
    more: Vec<String>,
    /// The version that was made; none where this component ran already.
    made: Option<Answered<Version>>,
    /// At which place it is bound, counted from one.
    place: Option<usize>,
    /// By the step's name.
    times: Vec<(&'static str, Duration)>,
}

impl Deploy {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let remote = self.place.connect()?;
        let started = Instant::now();
        let done = self.deploy(&remote)?;
        let version = done.made.as_deref().or(done.action.deployed_version.as_ref());
        if self.json {
            let milliseconds = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            let mut times: Map<String, Value> =
                done.times.iter().map(|(step, time)| ((*step).to_owned(), milliseconds(time).into())).collect();
            times.insert("all".to_owned(), milliseconds(&started.elapsed()).into());
            json::print(&json!({
                "tenant": remote.tenant().as_str(),
                "action": { "id": done.action.id, "name": done.action.name },
                "version": version.map(|version| json!({ "id": version.id, "number": version.number })),
                "sha256": done.sha256,
                "created": done.is_new,
                "deployed": done.made.is_some(),
                "place": done.place,
                "capabilities": done.action.component.as_ref().map(|component| &component.capabilities),
                "capabilities_added": done.more,
                "milliseconds": times,
            }))?;
        } else {
            let number = version.map_or_else(String::new, |version| format!(" version {}", version.number));
            let how = if done.made.is_some() { "is deployed" } else { "was deployed already" };
            println!("{}{number} {how} for tenant {}", printable(&done.action.name), remote.tenant());
        }
        Ok(ExitCode::SUCCESS)
    }

    fn deploy(&self, remote: &Remote) -> Result<Done> {
        let mut times = Vec::new();
        let (component, took) = timed(|| actions::deployed(&self.action))?;
        times.push(("build", took));
        let (fallback, bytes) = component.into_parts();
        let name = self.name.clone().or_else(|| own_name(&bytes)).unwrap_or(fallback);
        let (sha256, bytes) = (deploying::sha256(&bytes), Bytes::from(bytes));

        let found = remote.find_action(&name)?;
        let is_new = found.is_none();
        let mut action = match found {
            Some(action) => action,
            None => remote.create_action(&name, &self.trigger, Map::new())?,
        };
        let (built, took) = timed(|| deploying::upload(remote, &action, &bytes))?;
        if let Some(built) = built {
            told("Uploaded", &format!("{name} · {}", kilobytes(bytes.len())), took);
            action = built;
        }
        times.push(("upload", took));

        let more: Vec<String> = match &action.deployed_version {
            Some(version) => {
                let more: Vec<String> = action.asks_for_more().into_iter().map(str::to_owned).collect();
                if !more.is_empty() {
                    eprintln!("    Warning {name} asks for more than version {}:", version.number);
                    more.iter().for_each(|capability| eprintln!("            + {}", printable(capability)));
                }
                more
            }
            None => Vec::new(),
        };
        let made = if action.runs(&sha256) {
            None
        } else {
            let (version, took) = timed(|| deploying::deploy(remote, &action, self.accept_capabilities))?;
            told("Deployed", &format!("{name} version {}", version.number), took);
            times.push(("deploy", took));
            Some(version)
        };
        let mut place = None;
        if self.bind {
            let (bound, took) = timed(|| bind(remote, &action))?;
            told("Bound", &format!("{name} to {} at place {bound}", action.trigger()), took);
            times.push(("bind", took));
            place = Some(bound);
        }
        Ok(Done { action, sha256, is_new, more, made, place, times })
    }
}

/// What a component calls itself.
fn own_name(component: &[u8]) -> Option<String> {
    wasm_metadata::Payload::from_binary(component).ok()?.metadata().name.clone()
}

/// Binds an Action at the end of its trigger's order, where it isn't bound yet, and gives its place, counted from one.
fn bind(remote: &Remote, action: &Action) -> Result<usize> {
    let mut order: Vec<(String, String)> = remote
        .bindings(action.trigger())?
        .iter()
        .map(|binding| (binding.action.name.clone(), binding.display_name.clone()))
        .collect();
    if let Some(place) = order.iter().position(|(name, _)| *name == action.name) {
        return Ok(place + 1);
    }
    order.push((action.name.clone(), action.name.clone()));
    remote.bind(action.trigger(), &order)?;
    Ok(order.len())
}
