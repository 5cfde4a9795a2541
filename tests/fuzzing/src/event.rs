//! Events: any bytes are an event or a typed error, which never shows a value; and what is an
//! event, an Action can read all of.

use std::sync::{Arc, OnceLock};

use arbitrary::{Arbitrary, Unstructured};
use serde_json::{Map, Value, json};
use vestibule::Action;
use vestibule::model::outcome::Failure;
use vestibule::model::{Event, EventError, limits};
use vestibule_test_artifacts as artifacts;

use crate::host::Host;
use crate::{Reached, edits, loading, outcome};

/// What variants are made of.
const EVENTS: [&str; 6] = [
    include_str!("../../../examples/events/login-without-organization.json"),
    include_str!("../../../examples/events/organization-login.json"),
    include_str!("../../../examples/events/organization-without-display-name.json"),
    include_str!("../../../examples/events/refresh-token-exchange.json"),
    include_str!("../../../examples/events/reused-session.json"),
    include_str!("../../end-to-end/events/every-fact.json"),
];

/// Pieces of JSON, right and wrong ones.
const TOKENS: [&[u8]; 18] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\"\\u0000\\u001b\"",
    b"\"\\ud800\"",
    b"\xff",
    b"[[[[[[[[[[[[[[[[",
    b"\"a\":1,",
    b"{\"a\":",
];

/// The most values of an event that are replaced.
const MOST: usize = 6;

/// Stands where a personal value would.
const PERSONAL: &str = "alice-s-own-value";

/// A value that is put in place of another. Each text has the personal one in it.
#[derive(Debug, Arbitrary)]
enum Other {
    Null,
    Boolean(bool),
    Number(i64),
    Fraction(f64),
    Text,
    TextWith(char),
    LongText(u16),
    List,
    Object,
    Deep(u8),
    Removed,
}

/// Any bytes as an event, or an example's event with edits, or with other values.
pub fn event_json(input: &[u8]) -> Reached {
    let mut input = Unstructured::new(input);
    let json = match input.arbitrary::<u8>().map(|shape| shape % 4) {
        Ok(0) | Err(_) => input.take_rest().to_vec(),
        Ok(1) => edits::edited(base(&mut input).as_bytes(), &TOKENS, &mut input),
        Ok(_) => with_other_values(base(&mut input), &mut input),
    };
    match Event::from_json(&json) {
        Ok(event) => {
            check(event);
            Reached::Accepted
        }
        Err(error) => {
            check_error(&error);
            Reached::Refused
        }
    }
}

fn base(input: &mut Unstructured<'_>) -> &'static str {
    input.choose(&EVENTS).copied().unwrap_or(EVENTS[0])
}

fn check_error(error: &EventError) {
    let text = error.to_string();
    assert!(!text.chars().any(char::is_control), "an error that a terminal would obey: {text:?}");
    assert!(!text.contains(PERSONAL), "an error that shows a value: {text}");
    match error {
        EventError::TooLarge { given, limit } => assert!(given > limit, "too large, and isn't: {text}"),
        EventError::Invalid { path, what, .. } => {
            assert!(path.starts_with("event"), "an error that doesn't say where: {text}");
            assert!(!what.is_empty(), "an error that doesn't say what: {text}");
        }
    }
}

/// An event keeps the rules, and an Action that reads all of it gets to its end, or over a limit.
fn check(event: Event) {
    let host = Host::shared();
    if let Some(session) = &event.session {
        let limit = limits::METADATA_CHARACTERS as usize;
        assert!(session.metadata.len() <= limits::METADATA_ENTRIES as usize, "{} entries", session.metadata.len());
        assert!(
            session.metadata.iter().all(|(_, value)| value.chars().count() <= limit),
            "a value of session metadata is too long"
        );
    }
    let event = Arc::new(event);
    let outcome = host.login(every_fact(), &event);
    outcome::check(&outcome, &event, &host.limits);
    // What it reads it sets as claims, of which there can be too many: then it returns an error.
    let failed = outcome.failed();
    assert!(matches!(failed, None | Some(Failure::Limit { .. } | Failure::Returned { .. })), "it can't be read: {failed:?}");
}

fn every_fact() -> Action {
    static EVERY_FACT: OnceLock<Action> = OnceLock::new();
    EVERY_FACT.get_or_init(|| loading::load(artifacts::EVERY_FACT).expect("the guest is an Action")).clone()
}

fn with_other_values(base: &str, input: &mut Unstructured<'_>) -> Vec<u8> {
    let mut event: Value = serde_json::from_str(base).expect("the events are JSON");
    for _ in 0..input.int_in_range(1..=MOST).unwrap_or_default() {
        let (Ok(place), Ok(other)) = (input.arbitrary::<u16>(), input.arbitrary::<Other>()) else { break };
        let mut places = usize::from(place) % values(&event).max(1);
        replace(&mut event, &mut places, &other);
    }
    event.to_string().into_bytes()
}

fn values(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(members) => members.values().map(values).sum(),
        _ => 0,
    }
}

/// Replaces the value before which, in order, `places` others stand; tells whether it is to be
/// removed where it stands.
fn replace(value: &mut Value, places: &mut usize, other: &Other) -> bool {
    if *places == 0 {
        *places = usize::MAX;
        let Some(other) = other.value() else { return true };
        *value = other;
        return false;
    }
    *places -= 1;
    match value {
        Value::Array(items) => {
            if let Some(at) = items.iter_mut().position(|item| *places != usize::MAX && replace(item, places, other)) {
                items.remove(at);
            }
        }
        Value::Object(members) => {
            let mut members_left = members.iter_mut();
            let removed = members_left
                .find_map(|(name, member)| (*places != usize::MAX && replace(member, places, other)).then(|| name.clone()));
            if let Some(name) = removed {
                members.remove(&name);
            }
        }
        _ => {}
    }
    false
}

impl Other {
    fn value(&self) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Boolean(boolean) => (*boolean).into(),
            Self::Number(number) => (*number).into(),
            Self::Fraction(fraction) => (*fraction).into(),
            Self::Text => PERSONAL.into(),
            Self::TextWith(character) => format!("{PERSONAL}{character}").into(),
            Self::LongText(times) => PERSONAL.repeat(usize::from(*times)).into(),
            Self::List => json!([PERSONAL, null, [PERSONAL]]),
            Self::Object => json!({ "a": PERSONAL, "b": { "c": [PERSONAL] } }),
            Self::Deep(levels) => (0..*levels).fold(PERSONAL.into(), |inner, level| match level % 2 {
                0 => Value::Array(vec![inner]),
                _ => Value::Object(Map::from_iter([("d".to_owned(), inner)])),
            }),
            Self::Removed => return None,
        })
    }
}
