//! `vestibule export`: a tenant's Actions become a folder for git.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::folder::State;
use crate::json;
use crate::remote::Place;
use crate::table::printable;

/// Write a tenant's Actions, bindings and policy into a folder for git
///
/// It has actions.toml, and the component of each Action that runs. Secrets are in it by their
/// names alone. The same Actions make the same files; what an earlier export has left and isn't
/// there any more is removed.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    place: Place,
    /// The folder
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Export {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let remote = self.place.connect()?;
        let (folder, left_out) = State::of(&remote)?.folder(&remote)?;
        folder.write(&self.to)?;
        for note in &left_out {
            eprintln!("    Warning {}", printable(note));
        }
        let count = folder.manifest.actions.len();
        if self.json {
            json::print(
                &json!({ "tenant": remote.tenant().as_str(), "folder": self.to, "actions": count, "warnings": left_out }),
            )?;
        } else {
            println!("{}: {count} {}", self.to.display(), if count == 1 { "Action" } else { "Actions" });
        }
        Ok(ExitCode::SUCCESS)
    }
}
