//! `vestibule keys`: what a tenant's tokens are signed by.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use clap::{Args, Subcommand, ValueEnum};
use vestibule::model::{TenantId, Timestamp};
use vestibule_server::keys::{Begin, KeyFolder, KeyInfo, Purpose, SigningAlgorithm};
use vestibule_server::sealing::SealingKeys;
use vestibule_server::{Configuration, open_store};
use zeroize::Zeroizing;

use crate::table::Table;

/// See, rotate, import and revoke the keys that a tenant's tokens are signed by, and rotate those
/// that secrets are sealed by
///
/// They are in the state folder; servers of one database share it, and take up what has changed
/// within seconds. A new key is served at once, and signs when no application can have an older key
/// set at hand. The key before is served until no token of it can live.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the keys that count
    List(Which),
    /// Make a new key, which signs in a quarter of an hour
    Rotate {
        #[command(flatten)]
        which: Which,
        /// By what it signs; the tenant's `logout.algorithm`, and ES256 for access tokens, where
        /// this is missing
        #[arg(long, value_name = "RS256 or ES256")]
        algorithm: Option<SigningAlgorithm>,
        /// Sign by it as soon as a server has read it. Access tokens of the keys before are refused
        /// from then on. Logout tokens of these stay good, and applications that have an older key
        /// set at hand refuse what the new one signs
        #[arg(long)]
        at_once: bool,
    },
    /// Revoke a key that others may have: its tokens are refused by all servers within seconds
    ///
    /// Where it signs, a new one is made that signs at once. The key itself is removed, and is not
    /// taken in again. Applications accept logout tokens of a revoked key until they fetch the key
    /// set again.
    Revoke {
        /// The key's id, as `vestibule keys list` shows it
        #[arg(value_name = "KID")]
        key_id: String,
        #[command(flatten)]
        which: Which,
    },
    /// Make a new key for the secrets of deployed Actions, and seal all of them by it
    ///
    /// Servers may run meanwhile, and take up the new key by themselves. Where it is broken off
    /// nothing is lost: run it again.
    RotateSecrets {
        /// The server's configuration
        #[arg(long, value_name = "FILE", default_value = "vestibule.toml")]
        config: PathBuf,
    },
    /// Take in the key that the platform signs its ID tokens by, so that its applications know who
    /// signs logout tokens
    Import {
        #[command(flatten)]
        which: Which,
        /// A private key in PEM: PKCS#8, PKCS#1 for RSA, or SEC1 for P-256
        #[arg(long, value_name = "FILE")]
        pem: PathBuf,
        /// Its id, as the platform's key set has it; its thumbprint (RFC 7638) where this is
        /// missing
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
    /// The folder of all keys, and by what this one's tokens are signed.
    fn read(&self) -> Result<(PathBuf, SigningAlgorithm)> {
        let configuration = Configuration::read(&self.config)?;
        let Some(tenant) = configuration.tenants.get(&self.tenant) else {
            bail!("{} has no tenant {}", self.config.display(), self.tenant);
        };
        let algorithm = match self.purpose {
            For::Logout => tenant.logout.algorithm,
            For::Access => SigningAlgorithm::Es256,
        };
        Ok((configuration.state.join("keys"), algorithm))
    }

    fn purpose(&self) -> Purpose {
        match self.purpose {
            For::Logout => Purpose::Logout,
            For::Access => Purpose::Access,
        }
    }

    /// The keys that are there; none where no server has started yet.
    fn existing(&self, purpose: Purpose) -> Result<Option<KeyFolder>> {
        let (folder, _) = self.read()?;
        match Dir::open_ambient_dir(&folder, ambient_authority()) {
            Ok(keys) => Ok(KeyFolder::existing(&keys, &self.tenant, purpose)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("can't use the folder {}", folder.display())),
        }
    }

    /// The keys, for one more: their folder is made where it isn't there, for this user alone.
    fn open(&self) -> Result<(KeyFolder, SigningAlgorithm)> {
        use std::os::unix::fs::DirBuilderExt as _;
        let (folder, algorithm) = self.read()?;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        let opened = made.and_then(|()| Dir::open_ambient_dir(&folder, ambient_authority()));
        let keys = opened.with_context(|| format!("can't use the folder {}", folder.display()))?;
        Ok((KeyFolder::of(&keys, &self.tenant, self.purpose())?, algorithm))
    }
}

impl Keys {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let now = Timestamp::now();
        match self.what {
            What::List(which) => {
                let mut table = Table::default();
                table.row(["key id", "algorithm", "signs from", "served until"]);
                let keys = match which.existing(which.purpose())? {
                    Some(folder) => folder.list(now)?,
                    None => Vec::new(),
                };
                for key in keys {
                    let until = match key.served_until {
                        Some(until) => until.to_string(),
                        None if key.signs_from <= now => "it signs".to_owned(),
                        None => "it is to sign".to_owned(),
                    };
                    table.row([&key.id, key.algorithm.as_str(), &key.signs_from.to_string(), &until]);
                }
                print!("{table}");
            }
            What::Rotate { which, algorithm, at_once } => {
                let (folder, usual) = which.open()?;
                let begin = if at_once { Begin::AtOnce } else { Begin::WhenKnown };
                told(&folder.rotate(algorithm.unwrap_or(usual), begin, now)?, which.purpose(), begin);
            }
            What::Revoke { key_id, which } => {
                let (folder, algorithm) = which.open()?;
                let revoked = folder.revoke(&key_id, algorithm, now)?;
                println!("{key_id}: revoked; servers refuse its tokens within seconds");
                if let Some(made) = revoked.made {
                    println!("{}: made in its place; it signs as soon as a server has read it", made.id);
                }
            }
            What::RotateSecrets { config } => rotate_secrets(&Configuration::read(&config)?)?,
            What::Import { which, pem, key_id } => {
                if which.purpose == For::Access {
                    bail!("keys are imported for logout tokens alone: nobody else's key is to sign access tokens");
                }
                let read = std::fs::read_to_string(&pem).map(Zeroizing::new);
                let text = read.with_context(|| format!("can't read {}", pem.display()))?;
                // One key set has both.
                if let (Some(id), Some(access)) = (&key_id, which.existing(Purpose::Access)?)
                    && access.list(now)?.iter().any(|key| key.id == *id)
                {
                    bail!("a key of this tenant's access tokens has the id {id} already; import it by another one");
                }
                told(&which.open()?.0.import(&text, key_id, now)?, Purpose::Logout, Begin::WhenKnown);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn rotate_secrets(configuration: &Configuration) -> Result<()> {
    let keys = SealingKeys::open(&configuration.secrets_key)?;
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start threads")?;
    let rotated = executor.block_on(async {
        let store = open_store(&configuration.store.for_command()).await?;
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

fn told(key: &KeyInfo, purpose: Purpose, begin: Begin) {
    let KeyInfo { id, signs_from, .. } = key;
    let before = match (purpose, begin) {
        (Purpose::Access, Begin::AtOnce) => "tokens of the keys before are refused from then on",
        _ => "the key before is served for two days more",
    };
    println!("{id}: servers read it within seconds, and it signs from {signs_from} on; {before}");
}
