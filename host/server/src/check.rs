//! What keeps a server from starting, found without starting it: `vestibule check`.

use vestibule_sessions::{Initiator, LogoutInitiators};

use crate::config::{ClientSettings, Configuration, DatabaseSettings, KeySource, SecretsKey, StoreSettings};
use crate::sealing::SealingKeys;
use crate::server::{StartError, certificate};
use crate::streams::plans;
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
/// certificates. Nothing is compiled, connected to, listened at or written.
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
    for (tenant, settings) in &configuration.tenants {
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

/// Whether a client has the default initiators, by which a revoked session stays alive at it.
fn hears_of_logouts_alone(client: &ClientSettings) -> bool {
    let initiators = client.logout.as_ref().map(|logout| &logout.initiators);
    matches!(initiators, Some(LogoutInitiators::Selected(selected)) if selected.iter().eq([&Initiator::RpLogout]))
}
