//! `vestibule keys`: what a tenant's tokens are signed by.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _};
use clap::{Args, Subcommand, ValueEnum};
use vestibule::model::{TenantId, Timestamp};
use vestibule_server::sealing::SealingKeys;
use vestibule_server::{Configuration, open_store};
use vestibule_server::keys::{KeyFolder, Purpose, SigningAlgorithm};
use zeroize::Zeroizing;

use crate::table::Table;

/// See, rotate and import the keys that a tenant's tokens are signed by, and rotate those that secrets are sealed by
///
/// They are in the state folder; servers of one database share it. A server takes up what was changed at SIGHUP. The key before is served until
/// no token of it can live.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the keys that count
    List(Which),
    /// Make a new key, which signs from the next SIGHUP on
    Rotate {
        #[command(flatten)]
        which: Which,
        /// By what it signs; the tenant's `logout.algorithm`, and ES256 for access tokens, where this is missing
        #[arg(long, value_name = "RS256 or ES256")]
        algorithm: Option<SigningAlgorithm>,
    },
    /// Make a new key for the secrets of deployed Actions, and seal all of them by it
    ///
    /// Servers may run meanwhile, and take up the new key by themselves. Where it is broken off nothing is lost: run it again.
    RotateSecrets {
        /// The server's configuration
        #[arg(long, value_name = "FILE", default_value = "vestibule.toml")]
        config: PathBuf,
    },
    /// Take in the key that the platform signs its ID tokens by, so that its applications know who signs logout tokens
    Import {
        #[command(flatten)]
        which: Which,
        /// A private key in PEM: PKCS#8, or PKCS#1 for RSA
        #[arg(long, value_name = "FILE")]
        pem: PathBuf,
        /// Its id, as the platform's key set has it; its thumbprint (RFC 7638) where this is missing
        #[arg(long, value_name = "KID")]
        key_id: Option<String>,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// The server's configuration
    #[arg(long, value_name = "FILE", default_value = "vestibule.toml")]
    config: PathBuf,
    /// Whose
    #[arg(long, value_name = "ID")]
    tenant: TenantId,
    /// What the key signs
    #[arg(long = "for", value_name = "TOKENS", default_value = "logout")]
    purpose: For,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum For {
    /// Logout tokens
    Logout,
    /// Access tokens of the Management API
    Access,
}

impl Which {
    fn open(&self) -> Result<(KeyFolder, SigningAlgorithm)> {
        let configuration = Configuration::read(&self.config)?;
        let Some(tenant) = configuration.tenants.get(&self.tenant) else {
            bail!("{} has no tenant {}", self.config.display(), self.tenant);
        };
        let folder = configuration.state.join("keys");
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        let made = Dir::create_ambient_dir_all(&configuration.state, ambient_authority())
            .and_then(|()| Dir::open_ambient_dir(&configuration.state, ambient_authority()))
            .and_then(|state| state.create_dir_with("keys", &builder).and_then(|()| state.open_dir("keys")));
        let keys = made.with_context(|| format!("can't use the folder {}", folder.display()))?;
        let (purpose, algorithm) = match self.purpose {
            For::Logout => (Purpose::Logout, tenant.logout.algorithm),
            For::Access => (Purpose::Access, SigningAlgorithm::Es256),
        };
        Ok((KeyFolder::of(&keys, &self.tenant, purpose)?, algorithm))
    }
}

impl Keys {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let now = Timestamp::now();
        match self.what {
            What::List(which) => {
                let mut table = Table::default();
                table.row(["key id", "algorithm", "since", "served until"]);
                for key in which.open()?.0.list(now)? {
                    let until = key.served_until.map_or_else(|| "it signs".to_owned(), |until| until.to_string());
                    table.row([&key.id, key.algorithm.as_str(), &key.created_at.to_string(), &until]);
                }
                print!("{table}");
            }
            What::Rotate { which, algorithm } => {
                let (folder, usual) = which.open()?;
                told(&folder.rotate(algorithm.unwrap_or(usual), now)?.id);
            }
            What::RotateSecrets { config } => rotate_secrets(&Configuration::read(&config)?)?,
            What::Import { which, pem, key_id } => {
                if which.purpose == For::Access {
                    bail!("keys are imported for logout tokens alone: nobody else's key is to sign access tokens");
                }
                let read = std::fs::read_to_string(&pem).map(Zeroizing::new);
                let text = read.with_context(|| format!("can't read {}", pem.display()))?;
                told(&which.open()?.0.import(&text, key_id, now)?.id);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn rotate_secrets(configuration: &Configuration) -> Result<()> {
    let keys = SealingKeys::open(&configuration.secrets_key)?;
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start threads")?;
    let rotated = executor.block_on(async {
        let store = open_store(&configuration.store).await?;
        let rotated = keys.rotate(&*store).await;
        store.close().await;
        anyhow::Ok(rotated?)
    })?;
    println!("{}: it seals all secrets now; {} were sealed anew", rotated.key, rotated.secrets);
    if rotated.is_in_environment {
        println!("the keys are in a variable of the environment: the others can be taken out of it now");
    }
    Ok(())
}

fn told(id: &str) {
    println!("{id}: it signs when the server has started or got SIGHUP; the key before is served for two days more");
}
