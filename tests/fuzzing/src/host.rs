//! The runtime that components are loaded into and run by, and an honest login on it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use vestibule::limits::{HostLimits, Limits};
use vestibule::model::outcome::{ActionResult, Failure, LimitBroken};
use vestibule::model::{Event, Outcome};
use vestibule::{Action, Binding, Config, Flow, RunContext, Runtime};
use vestibule_test_artifacts as artifacts;

/// What an honest Action sets at the login of `examples/events/organization-login.json`.
const HONEST: [(&str, &str); 3] = [("org_id", "org_abc123"), ("org_name", "Acme Corp"), ("org_slug", "acme")];

/// How often an honest login is tried that a busy machine has kept from computing.
const TRIES: usize = 5;

/// A runtime under tight limits, and what is run on it.
pub(crate) struct Host {
    pub(crate) runtime: Runtime,
    pub(crate) limits: Limits,
    /// The event of a fuzzed login: it has every fact.
    pub(crate) event: Arc<Event>,
    executor: tokio::runtime::Runtime,
    context: RunContext,
    honest: Flow,
    honest_event: Arc<Event>,
}

impl Host {
    /// The one of this process.
    pub(crate) fn shared() -> &'static Self {
        static HOST: OnceLock<Host> = OnceLock::new();
        HOST.get_or_init(Self::new)
    }

    fn new() -> Self {
        let limits = Limits {
            cpu_time: Duration::from_millis(30),
            wall_time: Duration::from_millis(500),
            memory: 4 << 20,
            table_elements: 2_000,
            calls: 500,
            call_bytes: 64 << 10,
            resources: 50,
            log_bytes: 2 << 10,
            log_lines: 32,
            ..Limits::default()
        };
        // Few sandboxes, so that an honest login gets one that a fuzzed component has just left.
        let host_limits = HostLimits { sandboxes: 2, component_bytes: 1 << 20, ..HostLimits::default() };
        let settings = Config { limits: limits.clone(), host_limits, ..Config::default() };
        let runtime = Runtime::new(settings).expect("this machine has room for two sandboxes");
        let action = runtime.load("honest", artifacts::ORGANIZATION_SESSION_METADATA).expect("the example is an Action");
        let read = |json: &str| Arc::new(Event::from_json(json.as_bytes()).expect("the event is right"));
        let honest_event = read(include_str!("../../../examples/events/organization-login.json"));
        Self {
            limits,
            event: read(include_str!("../../end-to-end/events/every-fact.json")),
            executor: tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a tokio runtime"),
            context: RunContext { now: "2026-11-24T09:30:01Z".parse().expect("a date"), seed: [7; 32] },
            honest: Flow::new(honest_event.tenant.id.clone(), vec![Binding::new(action)]),
            honest_event,
            runtime,
        }
    }

    /// A login with this Action alone.
    pub(crate) fn login(&self, action: Action, event: &Arc<Event>) -> Outcome {
        self.run(&Flow::new(event.tenant.id.clone(), vec![Binding::new(action)]), event)
    }

    fn run(&self, flow: &Flow, event: &Arc<Event>) -> Outcome {
        let run = self.runtime.run(flow, Arc::clone(event), &self.context);
        self.executor.block_on(run).expect("the flow and the event have one tenant")
    }

    /// A login with an honest Action comes out as it always does.
    pub(crate) fn an_honest_login_is_right(&self) {
        let mut outcome = self.run(&self.honest, &self.honest_event);
        for _ in 1..TRIES {
            // The time that another process has had counts as ours.
            let Some(Failure::Limit { limit: LimitBroken::CpuTime { .. } | LimitBroken::WallTime { .. } }) = outcome.failed()
            else {
                break;
            };
            outcome = self.run(&self.honest, &self.honest_event);
        }
        assert!(outcome.is_allowed(), "an honest login is not allowed: {:?}", outcome.decision);
        let metadata: Vec<_> = outcome.session.metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        assert_eq!(metadata, HONEST, "an honest login has other metadata");
        assert_eq!(outcome.session.metadata_changes.len(), HONEST.len(), "an honest login has other changes");
        let [report] = outcome.actions.as_slice() else { panic!("one Action has {} reports", outcome.actions.len()) };
        assert_eq!(report.result, ActionResult::Ok, "an honest Action ended otherwise");
        assert!(report.logs.is_empty(), "an honest Action has another's log: {:?}", report.logs);
        let tokens = [&outcome.access_token, &outcome.id_token].map(|token| token.as_ref().map(|token| token.claims.len()));
        assert_eq!(tokens, [Some(0), Some(0)], "an honest login has another's claims");
    }
}
