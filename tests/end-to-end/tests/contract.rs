//! The contract, the host, the SDK, the words and the cases are the same list.

#![allow(clippy::expect_used, reason = "a test that lacks its parts is to fail at once")]

use std::collections::BTreeSet;

use vestibule::capability::{Capability, phrase};
use vestibule_sdk::testing::Login;
use vestibule_test_artifacts as artifacts;
use vestibule_tests::{comparable, context, full_event, load, root, run, runtime, settings};
use wit_parser::{Resolve, WorldItem};

#[path = "../../guests/examples/every_effect.rs"]
mod every_effect;
#[path = "../../guests/examples/every_fact.rs"]
mod every_fact;

/// Every function that the contract offers to Actions, with its documentation.
fn contract() -> Vec<(Capability, Option<String>)> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).expect("the contract is WIT");
    let world = resolve.select_world(&[package], Some("post-login")).expect("the world is there");
    let interfaces = resolve.worlds[world].imports.values().filter_map(|item| match item {
        WorldItem::Interface { id, .. } => Some(&resolve.interfaces[*id]),
        _ => None,
    });
    let functions = interfaces.flat_map(|interface| {
        let name = interface.name.clone().expect("the contract's interfaces have names");
        interface.functions.values().map(move |function| {
            let capability = Capability { interface: name.clone(), function: function.name.clone() };
            (capability, function.docs.contents.clone())
        })
    });
    functions.collect()
}

fn capabilities_of(components: &[&[u8]]) -> BTreeSet<Capability> {
    let runtime = runtime();
    components.iter().flat_map(|component| load(&runtime, component).capabilities().capabilities.clone()).collect()
}

#[test]
fn every_function_has_documentation_and_words() {
    let contract = contract();
    assert!(contract.len() > 90, "only {} functions were found", contract.len());
    for (capability, docs) in contract {
        assert!(docs.is_some_and(|docs| docs.len() > 10), "{capability} has no documentation in wit/");
        assert!(phrase(&capability.interface, &capability.function).is_some(), "{capability} has no words in phrases.rs");
    }
}

#[test]
fn every_function_has_an_sdk_method_and_a_case() {
    let contract: BTreeSet<Capability> = contract().into_iter().map(|(capability, _)| capability).collect();
    let covered = capabilities_of(&[artifacts::EVERY_FACT, artifacts::EVERY_EFFECT]);
    assert!(covered.is_subset(&contract));
    let missing: Vec<String> = contract.difference(&covered).map(ToString::to_string).collect();
    assert!(missing.is_empty(), "call these in tests/guests/examples/every_fact.rs or every_effect.rs: {missing:?}");
}

/// Where the SDK calls a function otherwise than the contract does.
const CALLED_OTHERWISE: [(&str, &str); 5] = [
    ("event-session.metadata-entry", "event::Session::metadata"),
    ("event-tenant.id", "Event::tenant_id"),
    ("event-transaction.metadata-entry", "event::Transaction::metadata"),
    ("log.write", "log"),
    ("secrets.get", "Event::secret"),
];

/// The paths in the SDK that a function of the contract can have.
fn methods(capability: &Capability) -> Vec<String> {
    let named = capability.to_string();
    if let Some((_, path)) = CALLED_OTHERWISE.iter().find(|(function, _)| *function == named) {
        return vec![(*path).to_owned()];
    }
    let function = capability.function.replace('-', "_");
    let (module, interface) = match capability.interface.strip_prefix("event-") {
        Some(interface) => ("event", interface),
        None => ("api", capability.interface.as_str()),
    };
    let words = interface.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
    let type_name: String = words.collect();
    // What the event has as one value is a method of the event itself.
    vec![
        format!("{module}::{type_name}::{function}"),
        format!("Event::{function}"),
        format!("Event::{}", interface.replace('-', "_")),
    ]
}

#[test]
fn the_page_for_auth0_authors_names_every_function() {
    let page = std::fs::read_to_string(root().join("guest-sdk/FROM-AUTH0.md")).expect("the page is there");
    for (capability, _) in contract() {
        let mut links = methods(&capability).into_iter().map(|path| format!("(crate::{path})"));
        let found = links.any(|link| page.contains(&link) || page.contains(&link.replace('(', "(mod@")));
        assert!(found, "{capability} is not in guest-sdk/FROM-AUTH0.md: add what Auth0 calls it, and what is different");
    }
}

/// The event that has every fact, for both doors.
fn login() -> Login {
    let event = std::fs::read_to_string(root().join("tests/end-to-end/events/every-fact.json")).expect("the event is there");
    Login::from_json(&event).at(context().now).secret("API_KEY", "k")
}

async fn in_the_sandbox(component: &[u8], mode: &str) -> serde_json::Value {
    let runtime = runtime();
    let binding = vestibule::Binding::new(load(&runtime, component));
    let binding = binding.secrets(settings(&[("API_KEY", "k")])).configuration(settings(&[("mode", mode)]));
    comparable(&run(&runtime, vec![binding], full_event()).await)
}

#[tokio::test]
async fn the_sandbox_and_native_tests_are_two_doors_to_one_login() {
    let natively = comparable(&login().configuration("mode", "m").run::<every_fact::EveryFact>());
    assert_eq!(in_the_sandbox(artifacts::EVERY_FACT, "m").await, natively);
    for mode in ["m", "reject", "revoke"] {
        let natively = comparable(&login().configuration("mode", mode).run::<every_effect::EveryEffect>());
        assert_eq!(in_the_sandbox(artifacts::EVERY_EFFECT, mode).await, natively, "mode {mode}");
    }
}
