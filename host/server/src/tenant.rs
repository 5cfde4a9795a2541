//! A tenant as the server has it: its flow, its key, who may call.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use cap_std::fs::Dir;
use jsonwebtoken::jwk::JwkSet;
use thiserror::Error;
use tokio::sync::Semaphore;
use vestibule::load::Loader;
use vestibule::model::{ActionId, SecretError, SessionLifetimes, TenantId, Timestamp, Values};
use vestibule::{Binding, Flow, LoadError};

use crate::api::discovery::Documents;
use crate::api::list_turns::ListTurns;
use crate::bodies::Taken;
use crate::config::{ActionSettings, Configuration, HostName, KeySource, ReferenceError, StreamName, TenantSettings};
use crate::keys::{KeyError, KeyRing, Purpose, SigningAlgorithm};
use crate::rate::Rate;
use crate::registry::Part;
use crate::registry::upload_rate::UploadRate;
use crate::tokens::{Issuer, RemoteKeys, Verifier};

/// Components of one tenant that arrive at one time. Others have turns of their own: a tenant that
/// sends slowly holds up itself.
const UPLOADS: usize = 4;
/// Components of one tenant that are sent at one time.
const DOWNLOADS: usize = 2;

/// Where components come from: of a path in the configuration, its bytes and the name that it has
/// where it doesn't say one itself.
///
/// A server of components reads a file. The command's also builds the folder of a crate.
pub type ReadComponent = dyn Fn(&Path) -> Result<(String, Vec<u8>), String> + Send + Sync;

/// Why a tenant can't be served.
#[derive(Debug, Error)]
pub enum TenantError {
    /// A component can't be read.
    #[error("tenant {tenant}, line {line}: the component {path} can't be read: {reason}")]
    Component {
        /// Whose.
        tenant: TenantId,
        /// Where it stands in the configuration.
        line: usize,
        /// Its path.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A component is no Action, or none that may run here.
    #[error("tenant {tenant}, line {line}: {error}")]
    Action {
        /// Whose.
        tenant: TenantId,
        /// Where it stands in the configuration.
        line: usize,
        /// What is wrong.
        error: LoadError,
    },
    /// A secret can't be read.
    #[error("tenant {tenant}, the secret {name} of the Action in line {line}: {error}")]
    Secret {
        /// Whose.
        tenant: TenantId,
        /// The secret's name.
        name: String,
        /// Where the Action stands in the configuration.
        line: usize,
        /// What is wrong.
        error: ReferenceError,
    },
    /// A secret or a configuration value can't be given to an Action.
    #[error("tenant {tenant}, a secret or configuration value of the Action in line {line}: {error}")]
    Value {
        /// Whose.
        tenant: TenantId,
        /// Where the Action stands in the configuration.
        line: usize,
        /// Which rule it breaks; never the value.
        error: SecretError,
    },
    /// An Action sends requests, and may not.
    #[error(
        "tenant {tenant}, line {line}: {action} sends HTTP requests, and its binding allows none; write the origins into `requests`"
    )]
    RequestsNotAllowed {
        /// Whose.
        tenant: TenantId,
        /// Where it stands in the configuration.
        line: usize,
        /// Which Action.
        action: String,
    },
    /// An issuer's keys can't be read.
    #[error("tenant {tenant}: the keys of {issuer} can't be read: {reason}")]
    Keys {
        /// Whose.
        tenant: TenantId,
        /// Which issuer.
        issuer: String,
        /// What is wrong.
        reason: String,
    },
    /// A stream's secret can't be used.
    #[error("tenant {tenant}, the secret of the stream {stream} in line {line}: {reason}")]
    StreamSecret {
        /// Whose.
        tenant: TenantId,
        /// The stream's name.
        stream: StreamName,
        /// Where the stream stands in the configuration.
        line: usize,
        /// What is wrong; never the value.
        reason: String,
    },
    /// There is no key to sign with.
    #[error("tenant {tenant}: {error}")]
    Signing {
        /// Whose.
        tenant: TenantId,
        /// What is wrong.
        error: KeyError,
    },
}

/// A tenant that is served.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) settings: TenantSettings,
    /// The Actions that its configuration declares, which run before those that are deployed.
    declared: Vec<Binding>,
    /// Their names, which are the operator's own.
    names: Vec<ActionId>,
    /// None where what is deployed can't be read: a login without the Actions that guard it is
    /// none.
    running: ArcSwapOption<Running>,
    /// Its own access tokens are signed by these.
    pub(crate) access_keys: Arc<KeyRing>,
    /// Its logout tokens are signed by these.
    pub(crate) logout_keys: KeyRing,
    pub(crate) verifier: Verifier,
    /// The keys of issuers that are fetched, which a reload doesn't forget.
    remote_keys: Vec<Arc<RemoteKeys>>,
    pub(crate) rate: Arc<Rate>,
    /// What others look up of it.
    pub(crate) documents: Documents,
    /// Bytes of its requests' bodies that are in memory.
    pub(crate) bodies: Taken,
    /// Its lists that are read at one time.
    pub(crate) lists: ListTurns,
    /// Its components that arrive at one time.
    pub(crate) uploads: Semaphore,
    /// How many bytes of components it uploads.
    pub(crate) upload_rate: UploadRate,
    /// Its components that are sent at one time.
    pub(crate) downloads: Arc<Semaphore>,
}

/// What a tenant's logins run. A login takes it once, and runs on it to its end.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) flow: Flow,
    pub(crate) has_actions: bool,
}

/// All tenants that are served, by the names of their hosts.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    by_host: HashMap<HostName, Arc<Tenant>>,
    by_id: HashMap<TenantId, Arc<Tenant>>,
}

impl Tenants {
    /// Makes ready all that the configuration says. Keys that were fetched, and buckets of rates
    /// that stay as they are, come from the tenants before. It compiles, so it blocks: not to be
    /// called where logins run.
    pub(crate) fn new(
        configuration: &Configuration,
        loader: &Loader,
        keys: &Dir,
        read: &ReadComponent,
        client: &reqwest::Client,
        before: &Self,
    ) -> Result<Self, Vec<TenantError>> {
        let mut tenants = Self::default();
        let mut errors = Vec::new();
        for settings in configuration.tenants.values() {
            let before = before.by_id.get(&settings.id).map(|before| &**before);
            match Tenant::new(settings, loader, keys, read, client, before) {
                Ok(tenant) => tenants.add(Arc::new(tenant)),
                Err(found) => errors.extend(found),
            }
        }
        if errors.is_empty() { Ok(tenants) } else { Err(errors) }
    }

    fn add(&mut self, tenant: Arc<Tenant>) {
        self.by_id.insert(tenant.settings.id.clone(), Arc::clone(&tenant));
        self.by_host.extend(tenant.settings.hosts.iter().map(|host| (host.clone(), Arc::clone(&tenant))));
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.by_id.values()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &TenantId> {
        self.by_id.keys()
    }

    pub(crate) fn by_host(&self, host: &HostName) -> Option<Arc<Tenant>> {
        self.by_host.get(host).cloned()
    }

    pub(crate) fn by_id(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.by_id.get(id).cloned()
    }
}

impl Tenant {
    fn new(
        settings: &TenantSettings,
        loader: &Loader,
        keys: &Dir,
        read: &ReadComponent,
        client: &reqwest::Client,
        before: Option<&Self>,
    ) -> Result<Self, Vec<TenantError>> {
        let tenant = settings.id.clone();
        let mut errors = Vec::new();
        let (mut bindings, mut names) = (Vec::new(), Vec::new());
        for action in &settings.actions {
            match binding(&tenant, action, loader, read) {
                Ok((id, binding)) => {
                    names.push(id);
                    bindings.push(binding);
                }
                Err(error) => errors.push(error),
            }
        }
        let mut ring = |purpose, algorithm| {
            let ring = KeyRing::kept_in(keys, &tenant, purpose, algorithm, Timestamp::now());
            ring.map_err(|error| errors.push(TenantError::Signing { tenant: tenant.clone(), error })).ok()
        };
        let access_keys = ring(Purpose::Access, SigningAlgorithm::Es256).map(Arc::new);
        let logout_keys = ring(Purpose::Logout, settings.logout.algorithm);
        let (mut issuers, mut remote_keys) = (Vec::new(), Vec::new());
        for issuer in &settings.issuers {
            match &issuer.keys {
                KeySource::Url(url) => {
                    let known = before.and_then(|before| before.remote_keys.iter().find(|keys| keys.url() == url).cloned());
                    let keys = known.unwrap_or_else(|| Arc::new(RemoteKeys::new(url.clone(), client.clone())));
                    remote_keys.push(Arc::clone(&keys));
                    issuers.push(Issuer::remote(issuer, keys));
                }
                KeySource::File(file) => match key_set(file) {
                    Ok(set) => issuers.push(Issuer::with_keys(issuer, set)),
                    Err(reason) => {
                        errors.push(TenantError::Keys { tenant: tenant.clone(), issuer: issuer.issuer.clone(), reason });
                    }
                },
            }
        }
        let (Some(access_keys), Some(logout_keys), true) = (access_keys, logout_keys, errors.is_empty()) else {
            return Err(errors);
        };
        let with_scopes = settings.clients.iter().filter_map(|client| {
            let credentials = client.credentials.as_ref()?;
            Some((client.client_id.to_string(), credentials.scopes.clone()))
        });
        issuers.push(Issuer::own(Arc::clone(&access_keys), with_scopes.collect()));
        Ok(Self {
            declared: bindings,
            names,
            running: ArcSwapOption::empty(),
            access_keys,
            logout_keys,
            verifier: Verifier::new(settings.hosts.clone(), issuers),
            remote_keys,
            rate: before
                .filter(|before| before.settings.rate == settings.rate)
                .map_or_else(|| Arc::new(Rate::new(settings.rate)), |before| Arc::clone(&before.rate)),
            documents: Documents::default(),
            bodies: Taken::default(),
            lists: ListTurns::new(),
            uploads: Semaphore::new(UPLOADS),
            upload_rate: UploadRate::new(),
            downloads: Arc::new(Semaphore::new(DOWNLOADS)),
            settings: settings.clone(),
        })
    }

    /// Whether the configuration declares an Action of this name.
    pub(crate) fn declares(&self, name: &str) -> bool {
        self.names.iter().any(|id| id.name() == name)
    }

    /// What a login runs that begins now.
    pub(crate) fn running(&self) -> Option<Arc<Running>> {
        self.running.load_full()
    }

    /// Logins that begin from now on run with this part.
    pub(crate) fn run_with(&self, deployed: Option<&Part>) {
        let running = deployed.map(|deployed| {
            let bindings: Vec<Binding> = self.declared.iter().chain(&deployed.bindings).cloned().collect();
            Arc::new(Running { has_actions: !bindings.is_empty(), flow: self.flow(bindings) })
        });
        self.running.store(running);
    }

    /// A flow under this tenant's limits.
    pub(crate) fn flow(&self, bindings: Vec<Binding>) -> Flow {
        let settings = &self.settings;
        let lifetimes = SessionLifetimes { absolute: settings.session_lifetime.0, idle: settings.idle_lifetime.0 };
        Flow::new(settings.id.clone(), bindings)
            .limits(settings.limits.clone())
            .flow_limits(settings.flow_limits.clone())
            .session_lifetimes(lifetimes)
    }
}

/// The secrets of an Action that the configuration declares.
///
/// # Errors
/// Which one can't be read, or breaks a rule.
pub(crate) fn secrets(tenant: &TenantId, settings: &ActionSettings) -> Result<Values, TenantError> {
    let line = settings.component.line;
    let mut secrets = Values::default();
    for (name, reference) in &settings.secrets {
        let wrong = |error| TenantError::Secret { tenant: tenant.clone(), name: name.clone(), line, error };
        let value = reference.value().map_err(wrong)?;
        let unusable = |error| TenantError::Value { tenant: tenant.clone(), line, error };
        secrets.set(name, value.to_string()).map_err(unusable)?;
    }
    Ok(secrets)
}

/// An issuer's key set in a file.
///
/// # Errors
/// Why it can't be read.
pub(crate) fn key_set(file: &Path) -> Result<JwkSet, String> {
    let json = std::fs::read(file).map_err(|error| error.to_string())?;
    serde_json::from_slice(&json).map_err(|error| error.to_string())
}

fn binding(
    tenant: &TenantId,
    settings: &ActionSettings,
    loader: &Loader,
    read: &ReadComponent,
) -> Result<(ActionId, Binding), TenantError> {
    let (line, path) = (settings.component.line, &settings.component.path);
    let (name, component) = read(path).map_err(|reason| TenantError::Component {
        tenant: tenant.clone(),
        line,
        path: path.display().to_string(),
        reason,
    })?;
    let loaded =
        loader.load(tenant, &name, &component).map_err(|error| TenantError::Action { tenant: tenant.clone(), line, error })?;
    for fault in &loaded.faults {
        tracing::warn!(%tenant, action = %loaded.action.id(), %fault, "the compilation cache had to be passed by");
    }
    let action = loaded.action;
    if action.sends_requests() && settings.requests.is_empty() {
        return Err(TenantError::RequestsNotAllowed { tenant: tenant.clone(), line, action: action.id().to_string() });
    }
    let id = action.id().clone();
    let mut configuration = Values::default();
    for (name, value) in &settings.configuration {
        let unusable = |error| TenantError::Value { tenant: tenant.clone(), line, error };
        configuration.set(name, value.clone()).map_err(unusable)?;
    }
    let mut binding = Binding::new(action)
        .secrets(secrets(tenant, settings)?)
        .configuration(configuration)
        .allow_requests(settings.requests.iter().cloned())
        .on_failure(settings.on_failure);
    if let Some(limits) = &settings.limits {
        binding = binding.limits(limits.clone());
    }
    Ok((id, binding))
}
