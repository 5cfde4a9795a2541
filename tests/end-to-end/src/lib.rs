//! What the end-to-end tests share: a runtime, events, and a login in one call.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a test without its parts is to fail at once")]

pub mod host;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use vestibule::limits::{HostLimits, Limits};
use vestibule::model::{self, Event, Outcome};
use vestibule::{Action, Binding, Config, Flow, RunContext, Runtime};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .ancestors()
        .nth(2)
        .expect("this crate lies in tests/end-to-end")
        .to_owned()
}

/// A file of `examples/events`.
pub fn example_event(name: &str) -> Event {
    let file = root().join("examples/events").join(format!("{name}.json"));
    read_event(&file)
}

/// The event that has every fact there is.
pub fn full_event() -> Event {
    read_event(&root().join("tests/end-to-end/events/every-fact.json"))
}

fn read_event(file: &Path) -> Event {
    let json = std::fs::read(file).expect("the event's file is there");
    Event::from_json(&json).expect("the event is right")
}

/// A context with this time and seed: a run that can be repeated.
pub fn context() -> RunContext {
    RunContext { now: "2026-11-24T09:30:01Z".parse().expect("a date"), seed: [7; 32] }
}

/// Limits of the tests: the defaults, with less time to compute. Time on the clock there is enough
/// of: tests run on busy machines, too.
pub fn limits() -> Limits {
    Limits { cpu_time: Duration::from_millis(100), ..Limits::default() }
}

/// Limits of the tests' hosts: fewer sandboxes, since each test makes a host of its own.
pub fn host_limits() -> HostLimits {
    HostLimits { sandboxes: 64, ..HostLimits::default() }
}

/// A runtime as the tests use it: with fuel counted.
pub fn runtime() -> Runtime {
    runtime_with(limits())
}

/// A runtime with these limits.
pub fn runtime_with(limits: Limits) -> Runtime {
    Runtime::new(Config { limits, host_limits: host_limits(), count_fuel: true, ..Config::default() }).expect("a runtime")
}

/// A component as an Action.
pub fn load(runtime: &Runtime, component: &[u8]) -> Action {
    runtime.load("guest", component).expect("the component is an Action")
}

/// Config from pairs.
pub fn settings(pairs: &[(&str, &str)]) -> model::Values {
    let mut settings = model::Values::default();
    for (name, value) in pairs {
        settings.set(name, (*value).to_owned()).expect("settings that can be");
    }
    settings
}

/// Runs these bindings as one flow over an event.
pub async fn run(runtime: &Runtime, bindings: Vec<Binding>, event: Event) -> Outcome {
    let flow = Flow::new(event.tenant.id.clone(), bindings);
    runtime.run(&flow, Arc::new(event), &context()).await.expect("the flow and the event have one tenant")
}

/// Runs one component, with this configuration, over the login to an organization.
pub async fn run_guest(runtime: &Runtime, component: &[u8], configuration: &[(&str, &str)]) -> Outcome {
    let binding = Binding::new(load(runtime, component)).configuration(settings(configuration));
    run(runtime, vec![binding], example_event("organization-login")).await
}

/// An outcome as JSON, without what differs from run to run and from door to door.
pub fn comparable(outcome: &Outcome) -> serde_json::Value {
    let mut json = serde_json::to_value(outcome).expect("an outcome is JSON");
    let text = json["actions"][0]["name"].as_str().map(|name| (name.to_owned(), json["actions"][0]["version"].clone()));
    for action in json["actions"].as_array_mut().into_iter().flatten() {
        for measured in ["name", "version", "duration_us", "cpu_time_us", "fuel", "peak_memory_bytes", "place", "trace"] {
            action.as_object_mut().expect("a report is an object").remove(measured);
        }
    }
    // Who made a change is the same Action under another name.
    match text {
        Some((name, version)) => {
            let id = format!("{name}@{}", version.as_str().unwrap_or_default());
            serde_json::from_str(&json.to_string().replace(&id, "ACTION")).expect("still JSON")
        }
        None => json,
    }
}
