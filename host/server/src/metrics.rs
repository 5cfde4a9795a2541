//! The operator's numbers. A label has few values: routes, statuses, the tenants and Actions of the
//! configuration.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::MatchedPath;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use vestibule::model::outcome::{ActionResult, Decision};
use vestibule::model::{Outcome, TenantId, Timestamp};
use vestibule_sessions::{Backlog, ConnectionStats, StoredBytes};

use crate::app::App;
use crate::exposition::{Exposition, Format};
use crate::refusals::Refusal;
use crate::registry::RegistryMetrics;
use crate::tenant::Tenant;
use crate::workers::Workers;

/// Seconds of a request: from what a lookup takes to what nobody waits for.
const REQUEST_SECONDS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.25, 1.0, 5.0];
/// Seconds of a run: from what most take to what a limit lets them.
const RUN_SECONDS: [f64; 9] = [0.00002, 0.00005, 0.0001, 0.0005, 0.002, 0.01, 0.1, 0.5, 5.0];
/// Seconds of an attempt to tell an application: from what a neighbour takes to what nobody waits
/// for.
const ATTEMPT_SECONDS: [f64; 7] = [0.005, 0.02, 0.1, 0.5, 2.0, 5.0, 10.0];
/// Seconds until an application has heard of a session's end.
const DELAY_SECONDS: [f64; 8] = [0.05, 0.25, 1.0, 5.0, 30.0, 300.0, 3_600.0, 86_400.0];
/// Bytes of a run's memory.
const RUN_BYTES: [f64; 6] = [1_048_576.0, 2_097_152.0, 4_194_304.0, 16_777_216.0, 67_108_864.0, 1_073_741_824.0];

/// What all deployed Actions of a tenant are called together; what each of them does is in the
/// tenant's executions.
const DEPLOYED: &str = "(deployed)";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: RouteName,
    status: &'static str,
}

/// A route as the router has it, with `{id}` in it; `none` for a path that has none.
#[derive(Clone, Debug)]
pub(crate) struct RouteName(pub(crate) Option<MatchedPath>);

impl RouteName {
    fn as_str(&self) -> &str {
        self.0.as_ref().map_or("none", MatchedPath::as_str)
    }
}

impl fmt::Display for RouteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for RouteName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RouteName {}

impl Hash for RouteName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for RouteName {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.as_str().encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decided {
    tenant: String,
    decision: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ran {
    tenant: String,
    action: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempted {
    tenant: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTenant {
    tenant: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStream {
    tenant: String,
    stream: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StreamSent {
    tenant: String,
    stream: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAction {
    tenant: String,
    action: String,
}

/// All metrics of a server.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    exposition: Arc<Exposition>,
    requests: Family<Route, Histogram>,
    logins: Family<Decided, Counter>,
    runs: Family<Ran, Counter>,
    run_seconds: Family<OfAction, Histogram>,
    run_bytes: Family<OfAction, Histogram>,
    swept: Counter,
    host_panics: Gauge,
    logout_attempts: Family<Attempted, Histogram>,
    logout_delay: Histogram,
    logouts_pending: Gauge,
    logout_oldest: Gauge,
    stream_batches: Family<StreamSent, Counter>,
    stream_lag: Family<OfStream, Gauge>,
    connections: Gauge,
    refused: Family<Refused, Counter>,
    stored: Family<OfTenant, Gauge>,
    deployed: RegistryMetrics,
    store: StoreMetrics,
    workers: Workers,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("vestibule");
        let requests = Family::<Route, Histogram>::new_with_constructor(|| Histogram::new(REQUEST_SECONDS));
        registry.register_with_unit("http_request_duration", "Requests by route and status", Unit::Seconds, requests.clone());
        let logins = Family::<Decided, Counter>::default();
        registry.register("logins", "Logins by what they have come to", logins.clone());
        let runs = Family::<Ran, Counter>::default();
        registry.register("action_runs", "Runs of Actions by their result", runs.clone());
        let run_seconds = Family::<OfAction, Histogram>::new_with_constructor(|| Histogram::new(RUN_SECONDS));
        registry.register_with_unit("action_duration", "Time of a run", Unit::Seconds, run_seconds.clone());
        let run_bytes = Family::<OfAction, Histogram>::new_with_constructor(|| Histogram::new(RUN_BYTES));
        registry.register_with_unit("action_peak_memory", "Memory of a run at its peak", Unit::Bytes, run_bytes.clone());
        let swept = Counter::default();
        registry.register("sessions_expired", "Sessions that a sweep has found expired", swept.clone());
        let host_panics = Gauge::default();
        registry.register(
            "host_panics",
            "Panics in functions of the host, each of which has cost one login",
            host_panics.clone(),
        );
        let logout_attempts = Family::<Attempted, Histogram>::new_with_constructor(|| Histogram::new(ATTEMPT_SECONDS));
        let help = "Attempts to tell an application that a session has ended, by what they have come to";
        registry.register_with_unit("logout_attempt_duration", help, Unit::Seconds, logout_attempts.clone());
        let logout_delay = Histogram::new(DELAY_SECONDS);
        let help = "From the end of a session until an application has heard of it";
        registry.register_with_unit("logout_delay", help, Unit::Seconds, logout_delay.clone());
        let logouts_pending = Gauge::default();
        registry.register("logouts_pending", "Logout tokens that are to be sent", logouts_pending.clone());
        let logout_oldest = Gauge::default();
        let help = "How long the oldest logout token waits that is to be sent";
        registry.register_with_unit("logouts_oldest", help, Unit::Seconds, logout_oldest.clone());
        let stream_batches = Family::<StreamSent, Counter>::default();
        registry.register(
            "stream_batches",
            "Batches of a stream's entries, by whether they have arrived",
            stream_batches.clone(),
        );
        let stream_lag = Family::<OfStream, Gauge>::default();
        let help = "How long ago the oldest entry happened that has not arrived, of the streams that this server sends";
        registry.register_with_unit("stream_lag", help, Unit::Seconds, stream_lag.clone());
        let connections = Gauge::default();
        registry.register("connections", "Connections of callers that are open", connections.clone());
        let refused = Family::<Refused, Counter>::default();
        let help = "Connections and requests that were refused before any work was done for them, by why";
        registry.register("refused", help, refused.clone());
        let stored = Family::<OfTenant, Gauge>::default();
        let help = "Bytes that are stored for each tenant that has most of what it may have";
        registry.register_with_unit("tenant_stored", help, Unit::Bytes, stored.clone());
        let deployed = RegistryMetrics::new(&mut registry);
        let store = StoreMetrics::new(&mut registry);
        let workers = Workers::new(&mut registry);
        Self {
            registry: Arc::new(registry),
            exposition: Arc::default(),
            requests,
            logins,
            runs,
            run_seconds,
            run_bytes,
            swept,
            host_panics,
            logout_attempts,
            logout_delay,
            logouts_pending,
            logout_oldest,
            stream_batches,
            stream_lag,
            connections,
            refused,
            stored,
            deployed,
            store,
            workers,
        }
    }

    /// The background workers, which have metrics of their own.
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Those of deployed Actions.
    pub(crate) fn registry(&self) -> &RegistryMetrics {
        &self.deployed
    }

    /// Sets how many connections are open.
    pub(crate) fn connections(&self, open: usize) {
        self.connections.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// A connection or a request was refused.
    pub(crate) fn refused(&self, refusal: Refusal) {
        self.refused.get_or_create(&Refused { kind: refusal.as_str() }).inc();
    }

    /// These tenants have most of what they may have, and of those that had it before no others.
    pub(crate) fn stored(&self, before: &[StoredBytes], now: &[StoredBytes]) {
        let labels = |stored: &StoredBytes| OfTenant { tenant: stored.tenant.as_str().to_owned() };
        for stored in now {
            self.stored.get_or_create(&labels(stored)).set(i64::try_from(stored.bytes).unwrap_or(i64::MAX));
        }
        let now: BTreeSet<&TenantId> = now.iter().map(|stored| &stored.tenant).collect();
        for stored in before.iter().filter(|stored| !now.contains(&stored.tenant)) {
            self.stored.remove(&labels(stored));
        }
    }

    /// A request has been answered.
    pub(crate) fn request(&self, method: &'static str, route: RouteName, status: &'static str, time: Duration) {
        let labels = Route { method, route, status };
        self.requests.get_or_create(&labels).observe(time.as_secs_f64());
    }

    /// A login has come to this.
    pub(crate) fn login(&self, tenant: &Tenant, outcome: &Outcome) {
        let declares = |name: &str| tenant.declares(name);
        let tenant = tenant.settings.id.as_str();
        self.logins.get_or_create(&Decided { tenant: tenant.to_owned(), decision: decision(&outcome.decision) }).inc();
        for report in &outcome.actions {
            // A tenant can call what it deploys as it likes, and as often: those names are no
            // labels.
            let name = report.action.name();
            let action = if declares(name) { name } else { DEPLOYED };
            let result = report.result.name();
            self.runs.get_or_create(&Ran { tenant: tenant.to_owned(), action: action.to_owned(), result }).inc();
            if report.result != ActionResult::NotRun {
                let labels = OfAction { tenant: tenant.to_owned(), action: action.to_owned() };
                self.run_seconds.get_or_create(&labels).observe(report.duration.as_secs_f64());
                self.run_bytes.get_or_create(&labels).observe(report.peak_memory_bytes as f64);
            }
        }
    }

    /// So many sessions have expired.
    pub(crate) fn swept(&self, expired: u64) {
        self.swept.inc_by(expired);
    }

    /// An attempt to tell an application has come to this; so long ago the session has ended.
    pub(crate) fn logout_attempt(&self, tenant: &TenantId, result: &'static str, time: Duration, delay: Duration) {
        let labels = Attempted { tenant: tenant.as_str().to_owned(), result };
        self.logout_attempts.get_or_create(&labels).observe(time.as_secs_f64());
        if result == "delivered" {
            self.logout_delay.observe(delay.as_secs_f64());
        }
    }

    /// What waits to be sent.
    pub(crate) fn logout_backlog(&self, backlog: Backlog, now: Timestamp) {
        self.logouts_pending.set(i64::try_from(backlog.pending).unwrap_or(i64::MAX));
        let waits = backlog.oldest.map_or(0, |oldest| now.as_millis().saturating_sub(oldest.as_millis()) / 1_000);
        self.logout_oldest.set(i64::try_from(waits).unwrap_or(i64::MAX));
    }

    /// A batch of a stream's entries has arrived, or has not.
    pub(crate) fn stream_batch(&self, tenant: &TenantId, stream: &str, result: &'static str) {
        let labels = StreamSent { tenant: tenant.as_str().to_owned(), stream: stream.to_owned(), result };
        self.stream_batches.get_or_create(&labels).inc();
    }

    /// Since when the oldest entry waits; none where none does.
    pub(crate) fn stream_lag(&self, tenant: &TenantId, stream: &str, oldest: Option<Timestamp>, now: Timestamp) {
        let waits = oldest.map_or(0, |oldest| now.as_millis().saturating_sub(oldest.as_millis()) / 1_000);
        self.stream_lag.get_or_create(&of_stream(tenant, stream)).set(i64::try_from(waits).unwrap_or(i64::MAX));
    }

    /// A stream is not this server's any longer: whoever sends it now knows how far it is.
    pub(crate) fn stream_left(&self, tenant: &TenantId, stream: &str) {
        self.stream_lag.remove(&of_stream(tenant, stream));
    }

    /// All of them as text.
    pub(crate) fn text(&self, app: &App, format: Format) -> Result<Bytes, std::fmt::Error> {
        self.exposition.text(format, || {
            self.deployed.action_cache(&app.registry().action_cache().stats());
            self.workers.measure(&app.store().threads());
            self.host_panics.set(i64::try_from(app.runtime().host_panics()).unwrap_or(i64::MAX));
            self.store.set(app.store().connections(), app.store().timed_out());
            let mut text = String::new();
            encode(&mut text, &self.registry)?;
            Ok(text)
        })
    }
}

/// Connections to the database of a store in PostgreSQL.
#[derive(Clone, Debug, Default)]
struct StoreMetrics {
    limit: Gauge,
    open: Gauge,
    idle: Gauge,
    waiting: Gauge,
    /// Counts up: the store itself counts.
    timed_out: Counter,
}

impl StoreMetrics {
    fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let gauges = [
            ("store_connections_limit", "Connections to the database at most", &metrics.limit),
            ("store_connections_open", "Connections to the database that are open", &metrics.open),
            ("store_connections_idle", "Connections to the database that no call uses", &metrics.idle),
            ("store_calls_waiting", "Calls that wait for a connection to the database", &metrics.waiting),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        let help = "Calls to the database, and new connections to it, that were given up at their deadline";
        registry.register("store_timeouts", help, metrics.timed_out.clone());
        metrics
    }

    fn set(&self, stats: Option<ConnectionStats>, timed_out: u64) {
        let stats = stats.unwrap_or_default();
        for (gauge, value) in
            [(&self.limit, stats.limit), (&self.open, stats.open), (&self.idle, stats.idle), (&self.waiting, stats.waiting)]
        {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.timed_out.inner().store(timed_out, Ordering::Relaxed);
    }
}

fn of_stream(tenant: &TenantId, stream: &str) -> OfStream {
    OfStream { tenant: tenant.as_str().to_owned(), stream: stream.to_owned() }
}

/// What a login has come to, in a word.
pub(crate) fn decision(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::Deny { .. } => "deny",
        Decision::Failed { .. } => "failed",
    }
}
