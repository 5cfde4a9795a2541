//! The operator's numbers of deployed Actions.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use vestibule::action_cache::ActionCacheStats;

/// Seconds of a build: from an Action in Rust to what a limit lets one in Python take.
const BUILD_SECONDS: [f64; 7] = [0.05, 0.1, 0.25, 1.0, 5.0, 20.0, 60.0];
/// Seconds until a tenant's flow is another one, from what was read to what runs.
const SWITCH_SECONDS: [f64; 7] = [0.001, 0.005, 0.02, 0.05, 0.25, 1.0, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Came {
    result: &'static str,
}

/// Metrics of deployed Actions.
#[derive(Clone, Debug)]
pub(crate) struct RegistryMetrics {
    builds: Family<Came, Histogram>,
    switches: Histogram,
    failing: Gauge,
    executions: Family<Came, Counter>,
    resident: Gauge,
    resident_bytes: Gauge,
    loads: Gauge,
    compiled: Gauge,
    let_go: Gauge,
}

impl RegistryMetrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let builds = Family::<Came, Histogram>::new_with_constructor(|| Histogram::new(BUILD_SECONDS));
        registry.register_with_unit(
            "action_build_duration",
            "Builds of components by their result",
            Unit::Seconds,
            builds.clone(),
        );
        let switches = Histogram::new(SWITCH_SECONDS);
        let help = "Time from reading a tenant's changed flow until logins run it";
        registry.register_with_unit("flow_switch_duration", help, Unit::Seconds, switches.clone());
        let gauge = |registry: &mut Registry, name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let failing =
            gauge(registry, "flows_failing", "Tenants whose changed flow can't be made; the one before runs, if there was one");
        let executions = Family::<Came, Counter>::default();
        let help = "Executions by what has become of them: kept, over_budget, queue_full, not_written";
        registry.register("executions", help, executions.clone());
        let resident = gauge(registry, "shelf_actions", "Deployed Actions whose compiled code is in memory");
        let resident_bytes = gauge(registry, "shelf_bytes", "Bytes of the compiled code of deployed Actions in memory");
        let loads = gauge(registry, "shelf_loads", "Deployed Actions that were brought into memory since the start");
        let compiled = gauge(registry, "shelf_compiled", "Those of them that had to be compiled");
        let let_go = gauge(registry, "shelf_let_go", "Deployed Actions that were let go from memory since the start");
        Self { builds, switches, failing, executions, resident, resident_bytes, loads, compiled, let_go }
    }

    /// A build has come to this.
    pub(crate) fn build(&self, result: &'static str, time: Duration) {
        self.builds.get_or_create(&Came { result }).observe(time.as_secs_f64());
    }

    /// A tenant's flow is another one now.
    pub(crate) fn switched(&self, time: Duration) {
        self.switches.observe(time.as_secs_f64());
    }

    /// So many tenants' changed flows can't be made.
    pub(crate) fn failing(&self, tenants: usize) {
        self.failing.set(i64::try_from(tenants).unwrap_or(i64::MAX));
    }

    /// So many executions have come to this.
    pub(crate) fn execution(&self, result: &'static str, count: u64) {
        self.executions.get_or_create(&Came { result }).inc_by(count);
    }

    /// What is in memory.
    pub(crate) fn action_cache(&self, stats: &ActionCacheStats) {
        let set = |gauge: &Gauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.resident, stats.resident);
        set(&self.resident_bytes, stats.resident_bytes);
        set(&self.loads, stats.loads);
        set(&self.compiled, stats.compiled);
        set(&self.let_go, stats.evicted);
    }
}
