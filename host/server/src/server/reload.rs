//! Another configuration for a server that runs: all of it, or nothing.

use super::{Server, StartError, certificate, declare_clients, tenants};
use crate::config::Configuration;
use crate::registry;
use crate::streams::plans;

impl Server {
    /// Serves another configuration from now on: its tenants, and the certificate's files. Requests
    /// that have begun end as they began. Where something is wrong, nothing changes.
    ///
    /// # Errors
    /// What is wrong; or that what has changed takes a new start.
    pub async fn reload(&mut self, configuration: Configuration) -> Result<(), StartError> {
        if let Some(changed) = takes_a_new_start(&self.configuration, &configuration) {
            return Err(StartError::TakesANewStart(changed));
        }
        let streams = plans(&configuration).map_err(StartError::Tenants)?;
        let before = self.app.served();
        let tenants = tenants(&configuration, &self.loader, &self.keys, &self.read, &self.client, before).await?;
        let certificate = match &configuration.listen.tls {
            Some(settings) => Some(certificate(settings).await?),
            None => None,
        };
        registry::prepare(&self.app, &tenants).await?;
        let too_long = self.app.registry().live().too_long(&tenants);
        if !too_long.is_empty() {
            return Err(StartError::TooLong(too_long));
        }
        let refused = self.app.registry().live().refused(&tenants);
        if !refused.is_empty() {
            return Err(StartError::Refused(refused));
        }
        self.store.check().await?;
        // All that can be known before the first change is right. This one is made tenant by
        // tenant.
        if let Err(error) = declare_clients(&*self.store, &configuration).await {
            if let Err(error) = declare_clients(&*self.store, &self.configuration).await {
                tracing::error!(
                    %error,
                    "the clients of some tenants may be those of the configuration that was refused; reload one that is right"
                );
            }
            return Err(error);
        }
        // From here on nothing fails.
        if let (Some(tls), Some(certificate)) = (&self.tls, certificate) {
            tls.reload_from_config(certificate.get_inner());
        }
        self.app.serve(tenants);
        self.streams.change(streams).await;
        self.configuration = configuration;
        tracing::info!(tenants = self.configuration.tenants.len(), "the configuration was read again");
        Ok(())
    }
}

/// What of this can't be changed in a server that runs.
fn takes_a_new_start(old: &Configuration, new: &Configuration) -> Option<&'static str> {
    let same = |a: &dyn std::fmt::Debug, b: &dyn std::fmt::Debug| format!("{a:?}") == format!("{b:?}");
    let tls = |configuration: &Configuration| configuration.listen.tls.is_some();
    [
        ("listen", old.listen.address == new.listen.address),
        ("tls", tls(old) == tls(new)),
        ("trust_forwarded_host", old.listen.trust_forwarded_host == new.listen.trust_forwarded_host),
        ("connections", old.connections == new.connections),
        ("bodies", old.bodies == new.bodies),
        ("state", old.state == new.state),
        ("store", same(&old.store, &new.store)),
        ("count_fuel", old.sandbox.count_fuel == new.sandbox.count_fuel),
        ("dns", same(&old.sandbox.http.resolver, &new.sandbox.http.resolver)),
        ("allowed_networks", same(&old.sandbox.http, &new.sandbox.http)),
        ("limits", same(&old.sandbox, &new.sandbox)),
        ("log", old.log == new.log),
        ("traces", old.traces == new.traces),
        ("keep", old.keep == new.keep),
        ("logout", same(&old.logout, &new.logout)),
        ("actions", old.actions == new.actions),
        ("executions", old.executions == new.executions),
        ("quota", old.quota == new.quota),
        ("secrets_key", old.secrets_key == new.secrets_key),
    ]
    .into_iter()
    .find_map(|(name, is_same)| (!is_same).then_some(name))
}
