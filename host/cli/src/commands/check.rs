//! `vestibule check`: whether a configuration is right.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use vestibule_server::Configuration;

/// Check a server's configuration
///
/// Every mistake is told, with its line and what to do. Nothing is started, compiled or written.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "vestibule.toml")]
    config: PathBuf,
}

impl Check {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let configuration = Configuration::read(&self.config)?;
        let tenants = configuration.tenants.len();
        let actions: usize = configuration.tenants.values().map(|tenant| tenant.actions.len()).sum();
        println!("{} is right: tenants: {tenants}, Actions: {actions}", self.config.display());
        Ok(ExitCode::SUCCESS)
    }
}
