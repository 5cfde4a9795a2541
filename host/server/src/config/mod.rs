//! The configuration: `vestibule.toml`, read and checked as a whole. Whoever has a
//! [`Configuration`] has one that is right.

mod action;
mod actions;
mod client;
mod connections;
mod host;
mod lifetime;
mod logout;
mod mistake;
mod public_url;
mod quota;
mod reference;
mod section;
mod shutdown;
pub(crate) mod stream;
mod tenant;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::de::DeTable;
use vestibule::model::TenantId;

pub use action::{ActionSettings, ComponentSource};
pub use actions::{ExecutionSettings, RegistrySettings, SecretsKey};
pub use client::{ClientSettings, Credentials, IssuerSettings, KeySource, Scope, ScopeError};
pub use connections::{BodySettings, ConnectionSettings};
pub use host::{DatabaseSettings, HostName, HostNameError, ListenSettings, LogFormat, StoreSettings, TlsSettings};
pub use lifetime::{KeepSettings, Lifetime, LifetimeError};
pub use logout::{DeliverySettings, LogoutTokenSettings};
pub use mistake::{Mistake, Mistakes};
pub use public_url::{PublicUrl, PublicUrlError};
pub use quota::QuotaSettings;
pub use reference::{Reference, ReferenceError};
pub use shutdown::ShutdownSettings;
pub use stream::{StreamFile, StreamName, StreamNameError, StreamSettings, StreamTarget};
pub use tenant::{LogSettings, RateSettings, TenantSettings};

use section::{Section, Source};

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigurationError {
    /// The file can't be read.
    #[error("can't read the configuration {}: {error}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// It has mistakes.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

/// A configuration that has been checked.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Where the server listens, and how.
    pub listen: ListenSettings,
    /// How many connections there may be.
    pub connections: ConnectionSettings,
    /// How much memory bodies of requests may take.
    pub bodies: BodySettings,
    /// The folder of keys and compiled code, which the server makes by itself.
    pub state: PathBuf,
    /// Where sessions are kept.
    pub store: StoreSettings,
    /// How the sandbox is set up: its limits, and the networks that Actions may reach.
    pub sandbox: vestibule::Config,
    /// How the server's own log is written.
    pub log: LogFormat,
    /// Where traces are sent to, by OTLP over HTTP; none where they aren't.
    pub traces: Option<url::Url>,
    /// How long what is over is kept.
    pub keep: KeepSettings,
    /// How applications are told that a session has ended.
    pub logout: DeliverySettings,
    /// What deployed Actions may take.
    pub actions: RegistrySettings,
    /// How executions are kept.
    pub executions: ExecutionSettings,
    /// What one tenant may store.
    pub quota: QuotaSettings,
    /// Where the keys of deployed Actions' secrets are.
    pub secrets_key: SecretsKey,
    /// How the server ends.
    pub shutdown: ShutdownSettings,
    /// The tenants.
    pub tenants: BTreeMap<TenantId, TenantSettings>,
}

impl Configuration {
    /// Reads and checks a configuration's file.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line and what to do.
    pub fn read(file: &Path) -> Result<Self, ConfigurationError> {
        let text =
            std::fs::read_to_string(file).map_err(|error| ConfigurationError::Unreadable { file: file.to_owned(), error })?;
        Ok(Self::parse(file, &text)?)
    }

    /// Checks a configuration's text; its paths count from the folder of `file`.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line and what to do.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Mistakes> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let mistakes = errors.into_iter().map(|error| {
                let start = error.span().map_or(0, |span| span.start);
                mistake::at(file, text, start, error.message().trim().to_owned(), String::new())
            });
            return Err(Mistakes(mistakes.collect()));
        }
        let source = Source::new(file, text);
        let span = table.span();
        let configuration = read(&Section::new(&source, String::new(), table.get_ref(), span));
        let mistakes = source.into_mistakes();
        match configuration {
            Some(configuration) if mistakes.is_empty() => Ok(configuration),
            _ => Err(Mistakes(mistakes)),
        }
    }
}

/// None only where a mistake has been told.
fn read(file: &Section<'_>) -> Option<Configuration> {
    let listen = host::listen(file);
    let connections = connections::connections(file);
    let bodies = connections::bodies(file);
    let state = file.source.path(file.text("state").map_or("state", |state| state.value));
    let store = host::store(file, &state);
    let resolver = host::resolver(file);
    let sandbox = host::sandbox(file, &resolver);
    let log = host::log(file);
    let traces = file.parsed::<url::Url>("traces").map(|url| url.value);
    let keep = KeepSettings::read(file);
    let registry = actions::registry(file);
    let executions = actions::executions(file);
    let quota = QuotaSettings::read(file);
    let secrets_key = actions::secrets_key(file, &state);
    let shutdown = shutdown::shutdown(file);
    let delivery = logout::delivery(file, &resolver);
    let connector = delivery.as_ref().map(|(_, connector)| &**connector);
    let tenants = tenant::tenants(file, &sandbox, connector);
    file.finish();
    let (logout, _) = delivery?;
    Some(Configuration {
        listen: listen?,
        connections,
        bodies,
        state,
        store: store?,
        sandbox,
        log,
        traces,
        keep,
        logout,
        actions: registry,
        executions,
        quota,
        secrets_key: secrets_key?,
        shutdown,
        tenants,
    })
}
