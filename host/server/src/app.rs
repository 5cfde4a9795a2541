//! What every request has at hand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use vestibule::Runtime;
use vestibule::http::Connector;
use vestibule::load::Loader;
use vestibule::model::TenantId;
use vestibule_sessions::Store;

use crate::bodies::Bodies;
use crate::client_auth::ClientAuth;
use crate::clock::Clock;
use crate::config::{Configuration, HostName, QuotaSettings};
use crate::executions::Executions;
use crate::login::StoredAnswers;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::refusals::Refusals;
use crate::registry::Deployments;
use crate::sealing::SealingKeys;
use crate::storage::Storage;
use crate::tenant::{Tenant, Tenants};
use crate::traces::Traces;
use crate::workers::{Worker, Workers};

/// What every request has at hand. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tenants: ArcSwap<Tenants>,
    runtime: Runtime,
    store: Arc<dyn Store>,
    metrics: Metrics,
    refusals: Refusals,
    bodies: Arc<Bodies>,
    traces: Traces,
    registry: Deployments,
    executions: Executions,
    /// Says which logout URLs are possible.
    connector: Arc<Connector>,
    /// What one tenant may store.
    quota: QuotaSettings,
    answers: StoredAnswers,
    storage: Storage,
    /// That a session has ended, and applications are to be told.
    ended: Arc<Notify>,
    client_auth: ClientAuth,
    /// That sessions were marked as ended, and their ends are to be written.
    marked: Notify,
    is_encrypted: bool,
    /// Where it listens, as soon as it does.
    port: OnceLock<u16>,
    trusts_forwarded_host: bool,
    is_ending: AtomicBool,
    readiness: Readiness,
    clock: Clock,
}

/// What a server is made of.
#[derive(Debug)]
pub(crate) struct Made<'a> {
    pub(crate) configuration: &'a Configuration,
    pub(crate) runtime: Runtime,
    pub(crate) loader: Loader,
    pub(crate) keys: Arc<SealingKeys>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) traces: Traces,
    pub(crate) connector: Arc<Connector>,
    pub(crate) client_auth: ClientAuth,
}

impl App {
    /// All of it but the tenants, which come when they are ready.
    pub(crate) fn new(made: Made<'_>) -> Self {
        let Made { configuration, runtime, loader, keys, store, traces, connector, client_auth } = made;
        let metrics = Metrics::new();
        let refusals = Refusals::new(metrics.clone());
        let compiles = runtime.settings().host_limits.compiles;
        let registry = Deployments::new(&store, loader, keys, &configuration.actions, compiles);
        let pulse = metrics.workers().begin(Worker::ExecutionWriter);
        let executions = Executions::start(Arc::clone(&store), configuration.executions, metrics.registry().clone(), pulse);
        Self(Arc::new(Inner {
            tenants: ArcSwap::default(),
            runtime,
            store,
            bodies: Arc::new(Bodies::new(configuration.bodies, configuration.listen.trust_forwarded_host, refusals.clone())),
            refusals,
            metrics,
            traces,
            registry,
            executions,
            connector,
            quota: configuration.quota,
            answers: StoredAnswers::new(configuration.quota.answers, configuration.keep.transactions),
            storage: Storage::new(configuration.quota.bytes),
            ended: Arc::default(),
            client_auth,
            marked: Notify::new(),
            is_encrypted: configuration.listen.tls.is_some(),
            port: OnceLock::new(),
            trusts_forwarded_host: configuration.listen.trust_forwarded_host,
            is_ending: AtomicBool::new(false),
            readiness: Readiness::default(),
            clock: Clock::default(),
        }))
    }

    pub(crate) fn tenant(&self, host: &HostName) -> Option<Arc<Tenant>> {
        self.0.tenants.load().by_host(host)
    }

    pub(crate) fn tenant_of(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.0.tenants.load().by_id(id)
    }

    /// All tenants that are served.
    pub(crate) fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.0.tenants.load().all().cloned().collect()
    }

    /// The tenants that are served, as a whole.
    pub(crate) fn served(&self) -> Arc<Tenants> {
        self.0.tenants.load_full()
    }

    /// Serves these tenants from now on. Requests that have begun go on with those that they began
    /// with.
    pub(crate) fn serve(&self, tenants: Tenants) {
        self.0.registry.live().serve(tenants, |tenants| self.0.tenants.store(tenants));
        self.0.client_auth.retain(|tenant| self.tenant_of(tenant).is_some());
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Where refusals are counted and logged.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// The budget of requests' bodies.
    pub(crate) fn bodies(&self) -> &Arc<Bodies> {
        &self.0.bodies
    }

    /// The background workers, and how they do.
    pub(crate) fn workers(&self) -> &Workers {
        self.0.metrics.workers()
    }

    /// Whether the server can do its work.
    pub(crate) fn readiness(&self) -> &Readiness {
        &self.0.readiness
    }

    /// The time of day for background work.
    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// What this server has of deployed Actions.
    pub(crate) fn registry(&self) -> &Deployments {
        &self.0.registry
    }

    /// Where executions are told.
    pub(crate) fn executions(&self) -> &Executions {
        &self.0.executions
    }

    /// What one tenant may store.
    pub(crate) fn quota(&self) -> QuotaSettings {
        self.0.quota
    }

    /// Which answers are stored.
    pub(crate) fn answers(&self) -> &StoredAnswers {
        &self.0.answers
    }

    /// How much is stored for each tenant.
    pub(crate) fn storage(&self) -> &Storage {
        &self.0.storage
    }

    pub(crate) fn connector(&self) -> &Arc<Connector> {
        &self.0.connector
    }

    /// Woken when a session has ended.
    pub(crate) fn ended(&self) -> &Arc<Notify> {
        &self.0.ended
    }

    /// Woken when sessions were marked as ended.
    pub(crate) fn marked(&self) -> &Notify {
        &self.0.marked
    }

    pub(crate) fn traces(&self) -> &Traces {
        &self.0.traces
    }

    /// Checks the secrets of clients.
    pub(crate) fn client_auth(&self) -> &ClientAuth {
        &self.0.client_auth
    }

    /// How the URLs of a host begin whose public URL isn't configured: by its name, and by the
    /// scheme and port that this server listens with; behind a proxy that sets the host, by `https`
    /// and its usual port.
    pub(crate) fn origin_of(&self, name: &HostName) -> String {
        let name = name.in_url();
        let port = self.0.port.get().copied();
        match (self.0.trusts_forwarded_host, self.0.is_encrypted, port) {
            (true, ..) | (false, true, None | Some(443)) => format!("https://{name}"),
            (false, false, None | Some(80)) => format!("http://{name}"),
            (false, true, Some(port)) => format!("https://{name}:{port}"),
            (false, false, Some(port)) => format!("http://{name}:{port}"),
        }
    }

    /// The server listens at this port.
    pub(crate) fn listens_at(&self, port: u16) {
        // A server listens once.
        let _ = self.0.port.set(port);
    }

    pub(crate) fn trusts_forwarded_host(&self) -> bool {
        self.0.trusts_forwarded_host
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.0.is_ending.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.0.is_ending.store(true, Ordering::Relaxed);
    }
}
