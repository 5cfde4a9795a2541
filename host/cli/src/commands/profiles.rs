//! `vestibule profile`: where tenants' servers are, and who this command is there.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vestibule::model::TenantId;

use crate::profiles::{Profile, Profiles, ServerUrl};
use crate::table::Table;
use crate::{input, json};

/// Say where tenants' servers are, and as whom this command calls them
///
/// A profile is called by its tenant's id: `--tenant acme` uses the profile acme. It is a client of
/// the tenant's that gets tokens by client credentials. They are kept in profiles.toml of the
/// user's configuration folder, readable by this user alone; VESTIBULE_CONFIG_DIR is another
/// folder.
#[derive(Debug, Args)]
pub(crate) struct ProfileCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Add one, or replace it; the client's secret is read from standard input
    #[command(after_help = "\
Example:
  pass show acme/deployer | vestibule profile add acme --url https://acme.example.com --client-id deployer")]
    Add {
        /// The tenant's id
        tenant: TenantId,
        /// The tenant's host: https, or http where it is this machine
        #[arg(long)]
        url: ServerUrl,
        /// The client's id
        #[arg(long, value_name = "ID")]
        client_id: String,
        /// Trust this certificate authority, in PEM, and no other
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show them, without their secrets
    List {
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Forget one, with its secret
    Remove {
        /// The tenant's id
        tenant: TenantId,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

impl ProfileCommand {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let mut profiles = Profiles::read()?;
        match self.what {
            What::Add { tenant, url, client_id, ca, json } => {
                let path = |ca: PathBuf| {
                    ca.canonicalize().with_context(|| format!("can't read the certificate authority {}", ca.display()))
                };
                let ca = ca.map(path).transpose()?;
                let client_secret = input::line(&format!("pass show {tenant} | vestibule profile add {tenant} …"))?;
                profiles.all.insert(tenant.to_string(), Profile { url, client_id, client_secret, ca });
                profiles.write()?;
                let file = profiles.file();
                let sentence = format!("{tenant}: kept in {}", file.display());
                json::done(json, &sentence, &json!({ "tenant": tenant.as_str(), "file": file }))?;
            }
            What::List { json: true } => json::print(&profiles.all.iter().map(shown).collect::<Value>())?,
            What::List { json: false } => {
                let mut table = Table::default();
                table.row(["tenant", "url", "client", "certificate authority"]);
                for (tenant, Profile { url, client_id, ca, .. }) in &profiles.all {
                    let ca = ca.as_ref().map_or_else(|| "the system's".to_owned(), |ca| ca.display().to_string());
                    table.row([tenant, &url.to_string(), client_id, &ca]);
                }
                print!("{table}");
            }
            What::Remove { tenant, json } => {
                if profiles.all.remove(tenant.as_str()).is_none() {
                    bail!("there is no profile {tenant}; `vestibule profile list` shows those there are");
                }
                profiles.write()?;
                json::done(json, &format!("{tenant}: forgotten"), &json!({ "tenant": tenant.as_str(), "removed": true }))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn shown((tenant, Profile { url, client_id, ca, .. }): (&String, &Profile)) -> Value {
    json!({ "tenant": tenant, "url": url.to_string(), "client_id": client_id, "ca": ca })
}
