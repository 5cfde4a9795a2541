//! HTTP requests of Actions, against real servers on this machine: what is allowed comes back, what
//! is not goes nowhere, and no answer harms the host.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod allowed;
mod answers;
mod encrypted;
mod lookups;
mod resolved;
mod server;

use std::time::Duration;

use vestibule::http::{HttpSettings, Origin};
use vestibule::limits::Limits;
use vestibule::model::Outcome;
use vestibule::model::outcome::{RequestError, RequestReport};
use vestibule::{Binding, Config, Runtime};
use vestibule_test_artifacts as artifacts;
use vestibule_tests::{example_event, host_limits, load, run, settings};

/// Config of a host whose operator names these networks.
fn named(networks: &[&str]) -> HttpSettings {
    let allowed_networks = networks.iter().map(|network| network.parse().expect("a network")).collect();
    HttpSettings { allowed_networks, ..HttpSettings::default() }
}

/// Limits for requests that are answered, on a busy machine, too.
fn patient() -> Limits {
    Limits { request_time: Duration::from_secs(20), ..Limits::default() }
}

/// Limits for requests that are never done.
fn impatient() -> Limits {
    Limits { request_time: Duration::from_secs(1), ..Limits::default() }
}

fn runtime(http: HttpSettings, limits: Limits) -> Runtime {
    Runtime::new(Config { http, limits, host_limits: host_limits(), ..Config::default() }).expect("a runtime")
}

/// A host whose operator names loopback.
fn local() -> Runtime {
    local_with(patient())
}

fn local_with(limits: Limits) -> Runtime {
    runtime(named(&["127.0.0.0/8"]), limits)
}

/// Runs an Action that sends a request to this URL, in a binding that allows these origins.
async fn send(runtime: &Runtime, allowed: &[&str], url: &str, configuration: &[(&str, &str)]) -> Outcome {
    let configuration = [configuration, &[("url", url)]].concat();
    let origins = allowed.iter().map(|origin| origin.parse::<Origin>().expect("an origin"));
    let action = load(runtime, artifacts::SENDS_REQUESTS);
    let binding = Binding::new(action).configuration(settings(&configuration)).allow_requests(origins);
    run(runtime, vec![binding], example_event("organization-login")).await
}

/// The same for an Action that looks at the error: its kind in the SDK, and the request's report.
async fn refused(runtime: &Runtime, allowed: &[&str], url: &str, configuration: &[(&str, &str)]) -> (String, RequestReport) {
    let outcome = send(runtime, allowed, url, &[configuration, &[("look_at_errors", "yes")]].concat()).await;
    let kind =
        claim(&outcome, "error").as_str().unwrap_or_else(|| panic!("the request should have failed: {outcome:?}")).to_owned();
    (kind, outcome.actions[0].requests[0].clone())
}

/// The kind and the report's error of a request to a server, which fails.
async fn fails(runtime: &Runtime, server: &server::Server) -> (String, RequestError) {
    let (kind, report) = refused(runtime, &[&server.origin()], &server.url("/"), &[]).await;
    (kind, report.error.expect("the report has the error"))
}

fn claim(outcome: &Outcome, name: &str) -> serde_json::Value {
    let token = outcome.id_token.as_ref().unwrap_or_else(|| panic!("the login should have been allowed: {outcome:?}"));
    token.claims.get(name).map(|change| change.value.clone()).unwrap_or_default()
}

/// After whatever has happened, the next login is right.
async fn assert_next_login_passes(runtime: &Runtime) {
    let server = server::Server::start(|_| server::ok("fine")).await;
    let outcome = send(runtime, &[&server.origin()], &server.url("/"), &[]).await;
    assert_eq!(claim(&outcome, "body"), "fine");
}
