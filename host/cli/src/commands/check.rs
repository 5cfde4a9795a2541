//! `vestibule check`: whether a configuration is right.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use vestibule_server::{Checked, Configuration, check};

use crate::table::printable;

/// Check a server's configuration
///
/// Reads the file and everything that it refers to: variables of the environment, secrets, keys and
/// certificates. Reports every mistake, with what to do. Nothing is started, compiled or written.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "vestibule.toml")]
    config: PathBuf,
}

impl Check {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let configuration = Configuration::read(&self.config)?;
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start")?;
        let Checked { errors, warnings } = executor.block_on(check(&configuration));
        warnings.iter().for_each(|warning| eprintln!("    Warning {}", printable(warning)));
        if !errors.is_empty() {
            errors.iter().for_each(|error| eprintln!("error: {error}"));
            return Ok(ExitCode::FAILURE);
        }
        let tenants = configuration.tenants.len();
        let actions: usize = configuration.tenants.values().map(|tenant| tenant.actions.len()).sum();
        println!("{} is right: tenants: {tenants}, Actions: {actions}", self.config.display());
        Ok(ExitCode::SUCCESS)
    }
}
