//! Session metadata: whatever is done to it, in whatever order, it is what a plain map with the
//! documented rules would be.

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use serde_json::json;
use vestibule::model::outcome::ActionReport;
use vestibule::model::{
    ActionId, Event, InvalidKey, LimitExceeded, Login, MetadataError, Outcome, SessionLifetimes, Timestamp, ValueTooLong,
};

use crate::Reached;

/// The rules, as the contract documents them (`wit/session.wit`).
const ENTRIES: usize = 25;
const CHARACTERS: usize = 255;

/// Operations on one login.
const OPERATIONS: usize = 500;

#[derive(Debug, Arbitrary)]
enum Operation<'a> {
    Set {
        key: Text<'a>,
        value: Text<'a>,
    },
    Delete {
        key: Text<'a>,
    },
    Evict,
    /// The next Action begins.
    Begin,
    /// The Action fails, and the login goes on without what it asked for.
    Fail,
}

/// Keys and values that meet again, that are about as long as is allowed, and any at all.
#[derive(Debug, Arbitrary)]
enum Text<'a> {
    Numbered(u8),
    Repeated { character: char, times: u8 },
    Long { character: char, over: u8 },
    Any(&'a str),
}

impl Text<'_> {
    fn text(&self) -> String {
        match self {
            // A few more than there can be entries.
            Self::Numbered(number) => format!("key-{}", number % 32),
            Self::Repeated { character, times } => character.to_string().repeat(usize::from(*times)),
            Self::Long { character, over } => character.to_string().repeat(CHARACTERS - 2 + usize::from(over % 5)),
            Self::Any(text) => (*text).to_owned(),
        }
    }
}

/// The map that session metadata has to be; none where the login has no session.
type Model = Option<BTreeMap<String, String>>;

fn action(number: usize) -> ActionId {
    ActionId::new(&format!("action-{number}"), "1").expect("an id")
}

/// Operations that the input says, on the metadata of a login's session.
pub fn metadata_operations(input: &[u8]) -> Reached {
    let mut input = Unstructured::new(input);
    let mut model = before(input.arbitrary().unwrap_or_default());
    let before = model.clone();
    let mut login = login(&model);
    let mut begun = (login.begin(&action(0)), model.clone());
    let mut actions = 1;
    let mut reached = Reached::Refused;
    for _ in 0..OPERATIONS {
        if input.is_empty() {
            break;
        }
        let Ok(operation) = input.arbitrary::<Operation<'_>>() else { break };
        match &operation {
            Operation::Set { key, value } => {
                let (key, value) = (key.text(), value.text());
                let done = login.set_session_metadata(&key, &value);
                assert_eq!(done, set(&mut model, &key, &value), "set {key:?} to {value:?}");
                if done.is_ok() {
                    reached = Reached::Accepted;
                }
                assert_eq!(login.session_metadata_entry(&key), entry(&model, &key), "the entry {key:?}");
            }
            Operation::Delete { key } => {
                let key = key.text();
                assert_eq!(login.delete_session_metadata(&key), delete(&mut model, &key), "delete {key:?}");
                assert_eq!(login.session_metadata_entry(&key), None, "the deleted entry {key:?}");
            }
            Operation::Evict => assert_eq!(login.evict_session_metadata(), evict(&mut model), "evict"),
            Operation::Begin => {
                begun = (login.begin(&action(actions)), model.clone());
                actions += 1;
            }
            Operation::Fail => {
                login.roll_back(begun.0);
                model = begun.1;
                begun = (login.begin(&action(actions)), model.clone());
                actions += 1;
            }
        }
        let all: Vec<_> = login.session_metadata().map(|(key, value)| (key.as_str(), value)).collect();
        let expected: Vec<_> = model.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(all, expected, "the metadata after {operation:?}");
    }
    check_outcome(&login, before, &model, actions);
    reached
}

/// What the platform receives adds up: the metadata after the flow, and the changes that lead
/// there.
fn check_outcome(login: &Login, before: Model, after: &Model, actions: usize) {
    let id = |number: usize| ActionId::new(&format!("action-{number}"), "1.0.0").expect("an Action's name");
    let outcome = Outcome::new(login, (0..actions).map(|number| ActionReport::not_run(id(number))).collect(), None);
    let told = outcome.session.metadata.iter().map(|(key, value)| (key.to_string(), value.to_owned())).collect();
    assert_eq!(after.clone().unwrap_or_default(), told, "the metadata that the platform receives");
    let mut changed = if outcome.session.metadata_evicted { BTreeMap::new() } else { before.unwrap_or_default() };
    for (key, change) in &outcome.session.metadata_changes {
        match &change.value {
            Some(value) => changed.insert(key.to_string(), value.to_string()),
            None => changed.remove(key.as_str()),
        };
    }
    assert_eq!(changed, told, "what was before, with the changes that the platform receives");
}

/// What the session has before the login: nothing of it, or up to 25 entries.
fn before(choice: u8) -> Model {
    let entries = usize::from(choice % 32);
    (entries <= ENTRIES).then(|| (0..entries).map(|number| (format!("key-{number}"), "before".to_owned())).collect())
}

fn login(before: &Model) -> Login {
    let mut event = json!({
        "client": { "client_id": "shop", "name": "Shop" },
        "connection": { "id": "con_1", "name": "staff", "strategy": "auth0" },
        "request": { "ip": "203.0.113.7", "method": "POST" },
        "tenant": { "id": "acme" },
        "user": { "user_id": "auth0|1", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z" },
    });
    if let Some(metadata) = before {
        event["session"] = json!({ "id": "sess_1", "metadata": metadata });
    }
    let event = Event::from_json(event.to_string().as_bytes()).expect("the event is right");
    Login::new(Arc::new(event), Timestamp::from_millis(1_800_000_000_000), SessionLifetimes::default())
}

fn set(model: &mut Model, key: &str, value: &str) -> Result<(), MetadataError> {
    let entries = model.as_mut().ok_or(MetadataError::Unavailable)?;
    check_key(key)?;
    let given = value.chars().count();
    if given > CHARACTERS {
        let LimitExceeded { given, limit } = exceeded(given, CHARACTERS);
        return Err(MetadataError::ValueTooLong(ValueTooLong { key: key.to_owned(), given, limit }));
    }
    if !entries.contains_key(key) && entries.len() == ENTRIES {
        return Err(MetadataError::TooManyEntries(exceeded(ENTRIES + 1, ENTRIES)));
    }
    entries.insert(key.to_owned(), value.to_owned());
    Ok(())
}

fn delete(model: &mut Model, key: &str) -> Result<(), MetadataError> {
    let entries = model.as_mut().ok_or(MetadataError::Unavailable)?;
    check_key(key)?;
    entries.remove(key);
    Ok(())
}

fn evict(model: &mut Model) -> Result<(), MetadataError> {
    model.as_mut().ok_or(MetadataError::Unavailable)?.clear();
    Ok(())
}

fn entry<'a>(model: &'a Model, key: &str) -> Option<&'a str> {
    model.as_ref()?.get(key).map(String::as_str)
}

fn check_key(key: &str) -> Result<(), MetadataError> {
    let given = key.chars().count();
    if given == 0 {
        return Err(MetadataError::EmptyKey);
    }
    if given > CHARACTERS {
        return Err(MetadataError::KeyTooLong(exceeded(given, CHARACTERS)));
    }
    let is_allowed = |character: char| matches!(character, 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-');
    match key.chars().find(|character| !is_allowed(*character)) {
        Some(character) => Err(MetadataError::KeyNotAllowed(InvalidKey { key: key.to_owned(), character })),
        None => Ok(()),
    }
}

fn exceeded(given: usize, limit: usize) -> LimitExceeded {
    let size = |size: usize| u32::try_from(size).expect("a short text");
    LimitExceeded { given: size(given), limit: size(limit) }
}
