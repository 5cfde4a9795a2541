//! An outcome as authors write it down and compare it: what was decided and what changes, without
//! what differs from run to run.

use serde_json::{Map, Value};
use similar::{ChangeTag, TextDiff};
use vestibule::model::Outcome;

/// An outcome as it stands in a case's `expected.json`.
///
/// - Times, fuel, memory, versions and the names of Actions are left out, and what is empty.
/// - A change is its value; one that removes is `null`.
/// - The Action's log is a list of `LEVEL: TEXT`.
/// - A failure is its kind and its message, without the place in the source.
pub(crate) fn seen(outcome: &Outcome) -> Value {
    let Ok(Value::Object(mut json)) = serde_json::to_value(outcome) else { return Value::Null };
    json.remove("actions");
    json.remove("action");
    let log: Vec<Value> = outcome.actions.iter().flat_map(|report| &report.logs).map(line).collect();
    json.insert("log".to_owned(), Value::Array(log));
    for of in ["session", "refresh_token"] {
        if let Some(Value::Object(of)) = json.get_mut(of) {
            of.remove("id");
        }
    }
    let mut json: Map<String, Value> = json.into_iter().filter_map(member).collect();
    for of in ["session", "refresh_token"] {
        if let Some(Value::Object(of)) = json.get_mut(of) {
            changes_alone(of);
        }
    }
    json.retain(|_, value| !is_empty(value));
    Value::Object(json)
}

fn line(line: &vestibule::model::outcome::LogLine) -> Value {
    let level = serde_json::to_value(line.level).unwrap_or_default();
    Value::String(format!("{}: {}", level.as_str().unwrap_or_default(), line.message))
}

/// Members whose values are Actions' own: an empty list or a `null` that an Action has set says
/// something.
const SET_BY_ACTIONS: [&str; 4] = ["claims", "user_metadata", "app_metadata", "attributes"];

fn member((name, value): (String, Value)) -> Option<(String, Value)> {
    let value =
        if SET_BY_ACTIONS.contains(&name.as_str()) { Some(value).filter(|value| !is_empty(value)) } else { essence(value) };
    Some((name, value?))
}

/// The value without what is empty; a change as what it changes to.
fn essence(value: Value) -> Option<Value> {
    let value = match value {
        Value::Object(mut members) => {
            // Something that an Action has set: it says so beside the value.
            let by_action = members.remove("action").is_some();
            if by_action && members.len() == 1 && members.contains_key("value") {
                return members.remove("value");
            }
            if members.get("metadata_evicted") == Some(&Value::Bool(false)) {
                members.remove("metadata_evicted");
            }
            Value::Object(members.into_iter().filter_map(member).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().filter_map(essence).collect()),
        other => other,
    };
    (!is_empty(&value)).then_some(value)
}

/// Of metadata, the changes are told only where the metadata doesn't say it: where an entry was
/// removed.
fn changes_alone(of: &mut Map<String, Value>) {
    if let Some(Value::Object(changes)) = of.get_mut("metadata_changes") {
        changes.retain(|_, value| value.is_null());
    }
    of.retain(|_, value| !is_empty(value));
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// What stands in a file: pretty, with a newline at its end.
pub(crate) fn written(seen: &Value) -> String {
    // Only a map with keys that are no strings can't be written, and this one has strings.
    serde_json::to_string_pretty(seen).unwrap_or_default() + "\n"
}

/// The lines that differ, with `-` before what was and `+` before what is, and two lines around
/// each.
pub(crate) fn difference(before: &Value, after: &Value) -> String {
    let (before, after) = (written(before), written(after));
    let difference = TextDiff::from_lines(&before, &after);
    let mut text = String::new();
    for (number, group) in difference.grouped_ops(2).iter().enumerate() {
        if number > 0 {
            text.push_str("     …\n");
        }
        for change in group.iter().flat_map(|operation| difference.iter_changes(operation)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            text.push_str(&format!("   {sign} {}\n", change.value().trim_end_matches('\n')));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_empty_is_left_out_and_a_change_is_its_value() {
        let value = json!({
            "metadata": { "org_id": "org_1" }, "metadata_evicted": false, "expires_at": null,
            "metadata_changes": { "org_id": { "value": "org_1", "action": "a@1" }, "old": { "value": null, "action": "a@1" } },
            "revoked": { "reason": "stolen", "preserve_refresh_tokens": false, "action": "a@1" },
        });
        let Some(Value::Object(mut session)) = essence(value) else { panic!("a session is an object") };
        changes_alone(&mut session);
        let expected = json!({
            "metadata": { "org_id": "org_1" }, "metadata_changes": { "old": null },
            "revoked": { "reason": "stolen", "preserve_refresh_tokens": false },
        });
        assert_eq!(Value::Object(session), expected);
    }

    #[test]
    fn what_an_action_has_set_is_told_though_it_is_empty() {
        let value = json!({ "claims": { "roles": [], "none": null }, "added_scopes": [] });
        assert_eq!(essence(value), Some(json!({ "claims": { "roles": [], "none": null } })));
        assert_eq!(essence(json!({ "claims": {} })), None);
    }

    #[test]
    fn a_difference_shows_what_was_and_what_is() {
        let difference = difference(&json!({ "decision": "allow", "n": 1 }), &json!({ "decision": "deny", "n": 1 }));
        assert_eq!(
            difference,
            "     {\n   -   \"decision\": \"allow\",\n   +   \"decision\": \"deny\",\n       \"n\": 1\n     }\n"
        );
    }
}
