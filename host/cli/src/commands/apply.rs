//! `vestibule apply`: a tenant's server becomes as a folder says.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use crate::deploying::looks_like_a_component;
use crate::folder::{self, Folder, State, Values};
use crate::remote::Place;
use crate::table::printable;
use crate::{input, json};

/// Make a tenant's Actions, bindings and policy as a folder says, after showing what that means
///
/// The folder is what `vestibule export` writes. Applying it again changes nothing. Where a step
/// fails, what was done before stays, and the next time has the rest. An Action may see and do what
/// its `capabilities` in actions.toml list.
#[derive(Debug, Args)]
#[command(after_help = "\
Secrets that the server doesn't have come from the file of --secrets:
  [crm-sync]
  API_KEY = \"…\"
or from the environment: VESTIBULE_SECRET_CRM_SYNC_API_KEY. Those that it has stay as they are.")]
pub(crate) struct Apply {
    /// The folder
    folder: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Don't ask
    #[arg(long, short)]
    yes: bool,
    /// Delete what is there and not in the folder: Actions, secrets, the policy
    #[arg(long)]
    prune: bool,
    /// The values of secrets that the server doesn't have
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// Let Actions see and do what actions.toml doesn't list
    #[arg(long)]
    accept_capabilities: bool,
    /// Print one JSON object; needs --yes or --dry-run
    #[arg(long)]
    json: bool,
}

impl Apply {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        if self.json && !self.yes && !self.dry_run {
            bail!("nobody can be asked where --json is read; say --yes or --dry-run as well");
        }
        let folder = Folder::read(&self.folder)?;
        for (name, component) in &folder.components {
            // A pointer of Git LFS, for instance, in place of the file.
            looks_like_a_component(component, &format!("the component of {name}"))?;
        }
        let values = self.secrets.as_deref().map_or_else(|| Ok(Values::default()), Values::read)?;
        let remote = self.place.connect()?;
        let state = State::of(&remote)?;
        let mut plan = folder::plan(&state, &folder, self.prune)?;
        plan.notes.extend(values.left_over(&plan));
        if !self.json {
            print!("{}", plan.shown(&state));
            plan.notes.iter().for_each(|note| println!("   {}", printable(note)));
        }
        let missing = folder::wanted(&plan, &values);
        if !missing.is_empty() {
            let told = format!("these secrets have no value:\n    {}", missing.join("\n    "));
            if !self.dry_run {
                bail!("{told}\n  help: nothing was done; see `vestibule apply --help`");
            }
            eprintln!("    Warning {told}");
        }
        let is_done = !self.dry_run && !plan.steps.is_empty() && (self.yes || self.is_agreed(plan.steps.len())?);
        if is_done {
            folder::carry_out(&remote, state, &plan, &values, self.accept_capabilities)?;
        }
        if self.json {
            json::print(
                &json!({ "tenant": remote.tenant().as_str(), "plan": plan.steps, "notes": plan.notes, "done": is_done }),
            )?;
        } else {
            let tenant = remote.tenant();
            match plan.steps.len() {
                0 => println!("tenant {tenant} is as the folder says"),
                _ if is_done => println!("tenant {tenant} is as the folder says now"),
                _ => println!("nothing was done"),
            }
        }
        // Who doesn't agree hasn't failed; but a script that goes on would believe that it is done.
        let is_refused = !is_done && !self.dry_run && !plan.steps.is_empty();
        Ok(if is_refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn is_agreed(&self, steps: usize) -> Result<bool> {
        let what = if steps == 1 { "this".to_owned() } else { format!("these {steps} steps") };
        input::agrees(&format!("Do {what} for tenant {}?", self.place.tenant()))
    }
}
