//! `vestibule deploy`: from an author's folder into the next login.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clap::Args;
use serde_json::{Map, Value, json};
use vestibule::model::ActionId;

use crate::deploying::{self, looks_like_a_component, timed, told};
use crate::remote::shapes::{Action, Answered, Binding, Version};
use crate::remote::{Place, Refusal, Remote};
use crate::table::{kilobytes, printable};
use crate::{actions, json};

/// Upload an Action to a tenant's server, and run it in logins from now on
///
/// What is uploaded is what `vestibule build --release` makes. An Action that isn't there yet is
/// created. What it asks for beyond the version that runs is shown, and refused without
/// --accept-capabilities. Nothing is done where all of it is done already.
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
                "capabilities": version.and_then(|version| version.component.as_ref()).map(|component| &component.capabilities),
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
        looks_like_a_component(&bytes, &self.action.display().to_string())?;
        let name = self.name.clone().or_else(|| own_name(&bytes)).unwrap_or(fallback);
        ActionId::new(&name, "1").with_context(|| format!("an Action can't be called {name:?}; call it by --name"))?;
        let (sha256, bytes) = (deploying::sha256(&bytes), Bytes::from(bytes));

        let found = remote.find_action(&name)?;
        let is_new = found.is_none();
        let action = match found {
            Some(action) => action,
            None => remote.create_action(&name, &self.trigger, Map::new())?,
        };
        let mut done = Done { action, sha256, is_new, more: Vec::new(), made: None, place: None, times };
        let released = self.release(remote, &bytes, &mut done);
        let has_failed = released.as_ref().err().is_some_and(|error| !Refusal::leaves_open(error));
        if has_failed && is_new && done.made.is_none() {
            let what = format!("{name} was created and has no version yet; the next `vestibule deploy` goes on with it");
            eprintln!("    Warning {}", printable(&what));
        }
        released.map(|()| done)
    }

    /// From the component to logins, as far as that isn't done.
    fn release(&self, remote: &Remote, bytes: &Bytes, done: &mut Done) -> Result<()> {
        let name = done.action.name.clone();
        // What runs already is not uploaded: the draft may be somebody's who has more to do.
        if !done.action.runs(&done.sha256) {
            let (built, took) = timed(|| deploying::upload(remote, &done.action, bytes))?;
            if let Some(built) = built {
                told("Uploaded", &format!("{name} · {}", kilobytes(bytes.len())), took);
                done.action = built;
            }
            done.times.push(("upload", took));
            if let Some(version) = &done.action.deployed_version {
                done.more = done.action.asks_for_more().into_iter().map(str::to_owned).collect();
                if !done.more.is_empty() {
                    eprintln!("    Warning {name} asks for more than version {}:", version.number);
                    done.more.iter().for_each(|capability| eprintln!("            + {}", printable(capability)));
                }
            }
            let (version, took) = timed(|| deploying::deploy(remote, &done.action, &done.sha256, self.accept_capabilities))?;
            told("Deployed", &format!("{name} version {}", version.number), took);
            done.times.push(("deploy", took));
            done.made = Some(version);
        }
        if self.bind {
            let (bound, took) = timed(|| bind(remote, &done.action))?;
            told("Bound", &format!("{name} to {} at place {bound}", done.action.trigger()), took);
            done.times.push(("bind", took));
            done.place = Some(bound);
        }
        Ok(())
    }
}

/// What a component calls itself.
fn own_name(component: &[u8]) -> Option<String> {
    wasm_metadata::Payload::from_binary(component).ok()?.metadata().name.clone()
}

/// How often it is bound anew where others bind at the same time.
const TRIES: usize = 10;

/// Binds an Action at the end of its trigger's order, where it isn't bound yet, and gives its
/// place, counted from one.
fn bind(remote: &Remote, action: &Action) -> Result<usize> {
    let mut tries = 1..=TRIES;
    loop {
        let bindings = remote.bindings(action.trigger())?;
        if let Some(place) = bindings.iter().position(|binding| binding.action.name == action.name) {
            return Ok(place + 1);
        }
        let called = |binding: &Answered<Binding>| (binding.action.name.clone(), binding.display_name.clone());
        let mut order: Vec<(String, String)> = bindings.iter().map(called).collect();
        order.push((action.name.clone(), action.name.clone()));
        let seen: Vec<&str> = bindings.iter().map(|binding| binding.id.as_str()).collect();
        let is_last = tries.next().is_none();
        match remote.bind(action.trigger(), &seen, &order) {
            Err(error) if !is_last && Refusal::has_code(&error, "overtaken") => {}
            bound => return bound.map(|_| order.len()),
        }
    }
}
