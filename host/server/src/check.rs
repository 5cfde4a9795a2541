//! What keeps a server from starting, found without starting it: `vestibule check`.

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vestibule::model::{TenantId, Timestamp};
use vestibule_sessions::{Initiator, LogoutInitiators};

use crate::config::{ClientSettings, Configuration, DatabaseSettings, KeySource, SecretsKey, StoreSettings, StreamTarget};
use crate::keys::{KeyFolder, Purpose};
use crate::sealing::SealingKeys;
use crate::server::{StartError, certificate};
use crate::streams::{obstacle, plans};
use crate::tenant::{TenantError, key_set, secrets};

/// What [`check`] has found.
#[derive(Debug, Default)]
pub struct Checked {
    /// What keeps a server from starting.
    pub errors: Vec<StartError>,
    /// What a server starts with, though it is probably not meant.
    pub warnings: Vec<String>,
}

/// Reads everything that a configuration refers to: variables of the environment, secrets, keys and
/// certificates, and the signing keys in the state folder. Nothing is compiled, connected to,
/// listened at or written.
pub async fn check(configuration: &Configuration) -> Checked {
    let mut checked = Checked::default();
    if let Some(tls) = &configuration.listen.tls {
        checked.errors.extend(certificate(tls).await.err());
    }
    if let StoreSettings::Postgres(DatabaseSettings { url, .. }) = &configuration.store {
        checked.errors.extend(url.value().err().map(StartError::StoreUrl));
    }
    let is_made_at_start = matches!(&configuration.secrets_key, SecretsKey::Kept(file) if !file.exists());
    if !is_made_at_start {
        checked.errors.extend(SealingKeys::open(&configuration.secrets_key).err().map(StartError::Secrets));
    }
    let mut of_tenants = plans(configuration).err().unwrap_or_default();
    match existing_keys(configuration) {
        Ok(None) => {}
        Ok(Some(keys)) => of_tenants.extend(configuration.tenants.keys().flat_map(|tenant| broken_keys(&keys, tenant))),
        Err(error) => checked.errors.push(error),
    }
    for (tenant, settings) in &configuration.tenants {
        for stream in &settings.streams {
            if let StreamTarget::File(file) = &stream.target
                && let Err(reason) = obstacle(file)
            {
                let (name, path) = (&stream.name, file.folder.join(&file.name));
                checked
                    .warnings
                    .push(format!("tenant {tenant}: the stream {name} can't be written to {}: {reason}", path.display()));
            }
        }
        of_tenants.extend(settings.actions.iter().filter_map(|action| secrets(tenant, action).err()));
        for issuer in &settings.issuers {
            if let KeySource::File(file) = &issuer.keys
                && let Err(reason) = key_set(file)
            {
                of_tenants.push(TenantError::Keys { tenant: tenant.clone(), issuer: issuer.issuer.clone(), reason });
            }
        }
        for client in settings.clients.iter().filter(|client| hears_of_logouts_alone(client)) {
            checked.warnings.push(format!(
                "tenant {tenant}: the client {} hears of `rp-logout` alone, and not when its session is deleted or revoked; \
                 add \"session-revoked\" to `selected_initiators`, or write mode = \"all\"",
                client.client_id
            ));
        }
    }
    if !of_tenants.is_empty() {
        checked.errors.push(StartError::Tenants(of_tenants));
    }
    checked
}

/// The folder of all signing keys; none where no server has started yet.
fn existing_keys(configuration: &Configuration) -> Result<Option<Dir>, StartError> {
    let folder = configuration.state.join("keys");
    match Dir::open_ambient_dir(&folder, ambient_authority()) {
        Ok(keys) => Ok(Some(keys)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StartError::State { folder: folder.display().to_string(), reason: error.to_string() }),
    }
}

/// Why a tenant's signing keys can't be used. None is made, and no folder.
fn broken_keys(keys: &Dir, tenant: &TenantId) -> Vec<TenantError> {
    let read = |purpose| match KeyFolder::existing(keys, tenant, purpose)? {
        Some(folder) => folder.list(Timestamp::now()).map(drop),
        None => Ok(()),
    };
    let errors = [Purpose::Access, Purpose::Logout].into_iter().filter_map(|purpose| read(purpose).err());
    errors.map(|error| TenantError::Signing { tenant: tenant.clone(), error }).collect()
}

/// Whether a client has the default initiators, by which a revoked session stays alive at it.
fn hears_of_logouts_alone(client: &ClientSettings) -> bool {
    let initiators = client.logout.as_ref().map(|logout| &logout.initiators);
    matches!(initiators, Some(LogoutInitiators::Selected(selected)) if selected.iter().eq([&Initiator::RpLogout]))
}
