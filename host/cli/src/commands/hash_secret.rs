//! `vestibule hash-secret`: what stands in a configuration for a client's secret.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use clap::Args;

use crate::input;

/// Hash a client's secret for the configuration
///
/// Reads the secret's line from standard input, so that it is in no list of processes and no
/// history, and prints its argon2id hash.
#[derive(Debug, Args)]
pub(crate) struct HashSecret {}

impl HashSecret {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let secret = input::line("openssl rand -hex 32 | vestibule hash-secret")?;
        let hash = Argon2::default().hash_password(secret.as_bytes()).map_err(|error| anyhow!("can't hash it: {error}"))?;
        println!("{hash}");
        Ok(ExitCode::SUCCESS)
    }
}
