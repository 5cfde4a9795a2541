//! What each Action of the examples can see and do, and how large it is: no more than its code asks
//! for.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that lacks its parts is to fail at once")]

use std::collections::BTreeSet;

use vestibule_test_artifacts as artifacts;
use vestibule_tests::{load, root, runtime};

/// An Action: its folder, its component as it is deployed, the bytes that it stays below, and its
/// capabilities, sorted.
type Example = (&'static str, &'static [u8], usize, &'static [&'static str]);

const EXAMPLES: [Example; 10] = [
    (
        "business-hours",
        artifacts::BUSINESS_HOURS,
        400_000,
        &["access.deny", "configuration.get", "event-request.geo-place", "event-user.app-metadata"],
    ),
    ("device-name", artifacts::DEVICE_NAME, 100_000, &["event-request.user-agent", "session.set-metadata"]),
    (
        "email-domain-allow-list",
        artifacts::EMAIL_DOMAIN_ALLOW_LIST,
        60_000,
        &["access.deny", "configuration.get", "event-user.email"],
    ),
    (
        "login-counter",
        artifacts::LOGIN_COUNTER,
        100_000,
        &["event-transaction.protocol", "event-user.app-metadata", "user.set-app-metadata"],
    ),
    (
        "network-gate",
        artifacts::NETWORK_GATE,
        100_000,
        &["access.deny", "configuration.get", "event-request.geo-country", "event-request.ip", "log.write"],
    ),
    (
        "organization-gate",
        artifacts::ORGANIZATION_GATE,
        100_000,
        &["access-token.set-custom-claim", "access.deny", "configuration.get", "event-session.metadata-entry", "log.write"],
    ),
    (
        "organization-session-metadata",
        artifacts::ORGANIZATION_SESSION_METADATA,
        60_000,
        &["event-organization.get", "session.set-metadata"],
    ),
    (
        "roles-claims",
        artifacts::ROLES_CLAIMS,
        100_000,
        &[
            "access-token.set-custom-claim",
            "configuration.get",
            "event-authorization.roles",
            "event-organization.get",
            "id-token.set-custom-claim",
        ],
    ),
    (
        "session-lifetime-by-tier",
        artifacts::SESSION_LIFETIME_BY_TIER,
        100_000,
        &["configuration.get", "event-organization.get", "session.set-expires-at", "session.set-idle-expires-at"],
    ),
    (
        "step-up-new-country",
        artifacts::STEP_UP_NEW_COUNTRY,
        100_000,
        &[
            "event-authentication.methods",
            "event-request.geo-country",
            "event-session.metadata-entry",
            "log.write",
            "multifactor.enable",
            "session.set-metadata",
        ],
    ),
];

#[test]
fn each_can_see_and_do_what_its_code_asks_for_and_nothing_else() {
    let runtime = runtime();
    for (name, component, _, expected) in EXAMPLES {
        let action = load(&runtime, component);
        assert_eq!(action.id().name(), name);
        let names: BTreeSet<String> = action.capabilities().capabilities.iter().map(ToString::to_string).collect();
        let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(names, expected, "{name}");
    }
}

#[test]
fn each_is_small() {
    for (name, component, most, _) in EXAMPLES {
        assert!(component.len() < most, "{name} has {} bytes, {most} is its bound", component.len());
    }
}

#[test]
fn every_example_that_is_an_action_stands_here_and_has_cases() {
    for entry in std::fs::read_dir(root().join("examples")).expect("the examples are there") {
        let folder = entry.expect("the examples can be read").path();
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        if !manifest.contains("cdylib") {
            continue;
        }
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name that is text");
        assert!(EXAMPLES.iter().any(|(example, ..)| *example == name), "{name} has to stand in EXAMPLES");
        let cases = std::fs::read_dir(folder.join("cases")).map(Iterator::count).unwrap_or_default();
        assert!(cases >= 2, "{name} has {cases} cases");
        assert!(folder.join("README.md").is_file(), "{name} has no README.md");
    }
}
