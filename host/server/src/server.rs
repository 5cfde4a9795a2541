//! From a configuration to a server that runs.

mod reload;
mod shutdown;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _};
use rustix::process::Resource;
use thiserror::Error;
use tokio::task::JoinHandle;
use vestibule::compile::Compiler;
use vestibule::http::Connector;
use vestibule::load::{CacheKey, CompilationCache, Loader};
use vestibule::model::Timestamp;
use vestibule::{Runtime, RuntimeError};
use vestibule_sessions::{Client, ClientSource, PostgresSettings, PostgresStore, SqliteSettings, SqliteStore, Store, StoreError};

use crate::app::{App, Made};
use crate::backoff::{Backoff, chance};
use crate::client_auth::ClientAuth;
use crate::config::{Configuration, DatabaseSettings, ReferenceError, StoreSettings, TlsSettings};
use crate::connections::{self, ConnectionLimits, Connections};
use crate::keys::keep_up;
use crate::logout::Logouts;
use crate::registry;
use crate::sealing::{SealError, SealingKeys};
use crate::storage;
use crate::streams::{Streams, plans};
use crate::sweep::{sweep, write_ends};
use crate::tenant::{ReadComponent, TenantError, Tenants};
use crate::traces::Traces;
use shutdown::Ending;

/// What a server needs beside its configuration.
pub struct Parts {
    /// Compiles components in a process of its own; none compiles them in this one.
    pub compiler: Option<Compiler>,
    /// Where components come from.
    pub read_component: Arc<ReadComponent>,
}

/// Why a server doesn't start, or doesn't take another configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The sandbox can't be made.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The state folder can't be used.
    #[error("the state folder {folder} can't be used: {reason}")]
    State {
        /// Which folder.
        folder: String,
        /// What is wrong.
        reason: String,
    },
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store's URL can't be read.
    #[error("the store's URL can't be read: {0}")]
    StoreUrl(#[from] ReferenceError),
    /// Tenants can't be served.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Tenants(Vec<TenantError>),
    /// The address can't be listened at.
    #[error("can't listen at {address}: {reason}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// The certificate can't be used.
    #[error("the certificate can't be used: {0}")]
    Certificate(String),
    /// The keys of issuers can't be fetched by this machine.
    #[error("no client for the keys of issuers can be made: {0}")]
    Client(String),
    /// A tenant has more Actions than a login may run, those that are deployed included.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    TooLong(Vec<registry::TooLong>),
    /// The operator's policy refuses deployed Actions that logins run.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Refused(Vec<registry::RefusedFlow>),
    /// Something that only a new start can change has changed.
    #[error("`{0}` has changed, which takes a new start; nothing else of the new configuration was taken either")]
    TakesANewStart(&'static str),
    /// The keys of deployed Actions' secrets can't be used.
    #[error(transparent)]
    Secrets(#[from] SealError),
    /// Secrets of clients can't be checked.
    #[error("the threads that check clients' secrets can't be started: {0}")]
    ClientAuth(String),
    /// Traces can't be sent.
    #[error("traces can't be sent: {0}")]
    Traces(String),
}

/// A server that runs.
pub struct Server {
    app: App,
    store: Arc<dyn Store>,
    loader: Loader,
    keys: Dir,
    read: Arc<ReadComponent>,
    client: reqwest::Client,
    configuration: Configuration,
    address: SocketAddr,
    tls: Option<RustlsConfig>,
    handle: Handle<SocketAddr>,
    serving: JoinHandle<std::io::Result<()>>,
    /// What looks for work of itself: sweeps, keys that have changed, builds that were broken off,
    /// what others have deployed.
    looking: Vec<JoinHandle<()>>,
    logouts: Logouts,
    streams: Streams,
    ending: Ending,
}

impl Server {
    /// Opens the store, makes the tenants' Actions ready, and listens.
    ///
    /// # Errors
    /// What is wrong, in whose configuration, and what to do.
    pub async fn start(configuration: Configuration, parts: Parts) -> Result<Self, StartError> {
        // Where the program hasn't chosen a provider of cryptography for TLS, it is this one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let state = state_folder(&configuration)?;
        let runtime = Runtime::new(configuration.sandbox.clone())?;
        let compiled = configuration.actions.compiled;
        let loader = loader(&runtime, &state, parts.compiler, compiled).map_err(|reason| of_state(&configuration, reason))?;
        let keys = private_folder(&state, "keys").map_err(|reason| of_state(&configuration, reason))?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("vestibule")
            .dns_resolver(Arc::new(crate::tokens::IssuerNames::new(Arc::clone(&configuration.sandbox.http.resolver))))
            .build();
        let client = client.map_err(|error| StartError::Client(error.to_string()))?;
        let none = Arc::new(Tenants::default());
        let tenants = tenants(&configuration, &loader, &keys, &parts.read_component, &client, none).await?;
        let streams = plans(&configuration).map_err(StartError::Tenants)?;
        let store = wait_for_store(&configuration.store, configuration.quota.owes_below()).await?;
        let traces = match &configuration.traces {
            Some(url) => Traces::to(url).map_err(|error| StartError::Traces(error.to_string()))?,
            None => Traces::default(),
        };
        let connector = Arc::new(Connector::new(&configuration.logout.http)?);
        let sealing = Arc::new(SealingKeys::open(&configuration.secrets_key)?);
        let app = App::new(Made {
            configuration: &configuration,
            runtime,
            loader: loader.clone(),
            keys: sealing,
            store: Arc::clone(&store),
            traces,
            connector,
            client_auth: ClientAuth::start().map_err(|error| StartError::ClientAuth(error.to_string()))?,
        });
        let read = registry::prepare(&app, &tenants).await?;
        // No reason to leave the others without a server.
        for error in app.registry().live().too_long(&tenants) {
            tracing::error!(%error, "each login of this tenant fails");
        }
        app.serve(tenants);
        let tls = match &configuration.listen.tls {
            Some(settings) => Some(certificate(settings).await?),
            None => None,
        };
        let wanted = configuration.listen.address;
        let failed = |error: std::io::Error| StartError::Listen { address: wanted, reason: error.to_string() };
        let listener = TcpListener::bind(wanted).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        app.listens_at(address.port());
        // Only now: a server that can't listen has changed nothing.
        declare_clients(&*store, &configuration).await?;
        let handle = Handle::new();
        let descriptors = rustix::process::getrlimit(Resource::Nofile).current;
        let limits = ConnectionLimits::new(configuration.connections, descriptors, configuration.listen.trust_forwarded_host);
        let connections = Arc::new(Connections::new(limits, app.refusals().clone()));
        let serving = connections::serve(listener, tls.clone(), handle.clone(), &app, &connections).map_err(failed)?;
        let looking = vec![
            tokio::spawn(sweep(app.clone(), configuration.keep, configuration.executions)),
            tokio::spawn(connections.watch(app.workers().clone())),
            tokio::spawn(storage::watch(app.clone())),
            tokio::spawn(write_ends(app.clone())),
            tokio::spawn(keep_up(app.clone())),
            tokio::spawn(registry::build::sweep(app.clone())),
            tokio::spawn(registry::watch(app.clone(), read)),
        ];
        let logouts = Logouts::start(&app, configuration.logout.give_up_after.0);
        let streams = Streams::start(&app, streams)?;
        let (connections, per_peer) = (limits.all, limits.per_peer);
        tracing::info!(%address, tenants = configuration.tenants.len(), open_files = descriptors, connections, per_peer, "listening");
        if swap_is_on() {
            tracing::warn!(
                "this machine has swap: memory with secrets may be written to it, and stays there; turn swap off, or encrypt it with a key \
                 that doesn't outlive the machine's uptime"
            );
        }
        Ok(Self {
            app,
            store,
            loader,
            keys,
            read: parts.read_component,
            client,
            configuration,
            address,
            tls,
            handle,
            serving,
            looking,
            logouts,
            streams,
            ending: Ending::default(),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn of_state(configuration: &Configuration, reason: String) -> StartError {
    StartError::State { folder: configuration.state.display().to_string(), reason }
}

/// The state folder, for this user alone, where it is not there yet.
fn state_folder(configuration: &Configuration) -> Result<Dir, StartError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&configuration.state);
    let opened = made.and_then(|()| Dir::open_ambient_dir(&configuration.state, ambient_authority()));
    opened.map_err(|error| of_state(configuration, error.to_string()))
}

fn private_folder(state: &Dir, name: &str) -> Result<Dir, String> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    state.create_dir_with(name, &builder).and_then(|()| state.open_dir(name)).map_err(|error| format!("{name}: {error}"))
}

fn loader(runtime: &Runtime, state: &Dir, compiler: Option<Compiler>, room: u64) -> Result<Loader, String> {
    let key = CacheKey::kept_in(state, "compiled.key").map_err(|error| error.to_string())?;
    let cache = CompilationCache::new(private_folder(state, "compiled")?, key).room(room);
    let loader = runtime.loader().cache(cache);
    Ok(match compiler {
        Some(compiler) => loader.compiler(compiler),
        None => loader,
    })
}

async fn tenants(
    configuration: &Configuration,
    loader: &Loader,
    keys: &Dir,
    read: &Arc<ReadComponent>,
    client: &reqwest::Client,
    before: Arc<Tenants>,
) -> Result<Tenants, StartError> {
    let (configuration, loader, read, client) = (configuration.clone(), loader.clone(), Arc::clone(read), client.clone());
    let keys = keys.try_clone().map_err(|error| of_state(&configuration, error.to_string()))?;
    // It compiles.
    let made = tokio::task::spawn_blocking(move || Tenants::new(&configuration, &loader, &keys, &*read, &client, &before)).await;
    match made {
        Ok(made) => made.map_err(StartError::Tenants),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Opens the store of a configuration; it is made, or migrated, where that is needed.
///
/// # Errors
/// When it can't be reached, is of a newer version, or its URL can't be read.
pub async fn open_store(settings: &StoreSettings) -> Result<Arc<dyn Store>, StartError> {
    open_store_that_owes(settings, u64::MAX).await
}

/// As [`open_store`]: from this number of stored bytes of a tenant on the ends of its sessions owe
/// nothing.
async fn open_store_that_owes(settings: &StoreSettings, owes_below: u64) -> Result<Arc<dyn Store>, StartError> {
    Ok(match settings {
        StoreSettings::Sqlite(path) => {
            if let Some(folder) = path.parent() {
                use std::os::unix::fs::DirBuilderExt as _;
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
                made.map_err(|error| StartError::State { folder: folder.display().to_string(), reason: error.to_string() })?;
            }
            Arc::new(SqliteStore::open(path, SqliteSettings { owes_below, ..SqliteSettings::default() })?)
        }
        StoreSettings::Postgres(DatabaseSettings { url, connections, pooler }) => {
            let settings =
                PostgresSettings { connections: *connections, pooler: *pooler, owes_below, ..PostgresSettings::default() };
            Arc::new(PostgresStore::connect(&url.value()?, settings).await?)
        }
    })
}

/// How long a server that starts waits for a database that can't be reached.
const STORE_PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries, half of it by chance.
const STORE_BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(8), longest_asked: Duration::ZERO };

/// Opens the store. A PostgreSQL that can't be reached, or has no time, is tried again for
/// [`STORE_PATIENCE`]: it may start at the same moment.
async fn wait_for_store(settings: &StoreSettings, owes_below: u64) -> Result<Arc<dyn Store>, StartError> {
    let started = Instant::now();
    let mut attempt = 0;
    loop {
        attempt += 1;
        let error = match open_store_that_owes(settings, owes_below).await {
            Err(StartError::Store(error @ (StoreError::Unreachable { .. } | StoreError::Busy { .. }))) => error,
            opened => return opened,
        };
        let is_remote = matches!(settings, StoreSettings::Postgres(_));
        let wait = STORE_BACKOFF.wait(attempt, chance());
        if !is_remote || started.elapsed() + wait >= STORE_PATIENCE {
            return Err(error.into());
        }
        tracing::warn!(%error, "the database can't be reached; it is tried again for {} s", STORE_PATIENCE.as_secs());
        tokio::time::sleep(wait).await;
    }
}

/// The store knows the applications that the configuration declares.
async fn declare_clients(store: &dyn Store, configuration: &Configuration) -> Result<(), StartError> {
    let now = Timestamp::now();
    for (id, tenant) in &configuration.tenants {
        let clients = tenant.clients.iter().map(|client| Client {
            id: client.client_id.clone(),
            name: client.name.clone().unwrap_or_else(|| client.client_id.to_string()),
            body: serde_json::Map::new(),
            logout: client.logout.clone(),
            source: ClientSource::Configuration,
            created_at: now,
            updated_at: now,
            revision: 1,
        });
        store.configure_clients(id, clients.collect(), now).await?;
    }
    Ok(())
}

/// Reads a certificate and its key.
pub(crate) async fn certificate(settings: &TlsSettings) -> Result<RustlsConfig, StartError> {
    let read = RustlsConfig::from_pem_file(&settings.certificate, &settings.key).await;
    read.map_err(|error| StartError::Certificate(error.to_string()))
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Whether the kernel has a swap area that this process's memory may be written to. Unknown is no.
fn swap_is_on() -> bool {
    // A heading, and a line for each area.
    std::fs::read_to_string("/proc/swaps").is_ok_and(|areas| areas.lines().count() > 1)
}
