//! Which capabilities the Actions of a tenant may have: decided when an Action is deployed, by its
//! import list, before it has ever run.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use vestibule_model::{ActionId, IdError, one_line};

use crate::contract::phrases;
use crate::contract::wasi::OUTGOING;
use crate::contract::{Capabilities, Capability};

/// How a rule names the sending of HTTP requests.
const HTTP: &str = "http";

/// How a rule says that every Action may have a capability.
const ANYONE: &str = "anyone";

/// Which capabilities Actions may have. The default allows all.
///
/// It is written as an object of JSON or a table of TOML, here as the first:
///
/// ```
/// # use vestibule::capability::CapabilityPolicy;
/// let policy = r#"{
///     "others": "allow",
///     "rules": {
///         "event-user": "anyone",
///         "event-user.email": ["crm-sync"],
///         "http": []
///     }
/// }"#;
/// let policy: CapabilityPolicy = serde_json::from_str(policy)?;
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// A rule names one capability (`event-user.email`), a whole interface (`event-user`), or `http`
/// for `wasi:http`; of two that fit, the one for the single capability counts. It says who may have
/// it: `"anyone"`, or Actions by their names, which may be none. `others` is for what no rule
/// names: `"allow"` or `"deny"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapabilityPolicy {
    #[serde(default)]
    others: Others,
    #[serde(default, deserialize_with = "rules")]
    rules: BTreeMap<Subject, Who>,
}

/// What holds where no rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Others {
    #[default]
    Allow,
    Deny,
}

/// Who may have a capability.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Anyone,
    /// Actions of these names.
    Named(BTreeSet<String>),
}

/// What a rule is for: a capability, or all of an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Subject {
    interface: String,
    function: Option<String>,
}

/// Why a policy can't be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum InvalidPolicy {
    #[error(
        "`{subject}` names no capability; write an interface (`event-user`), one of its functions (`event-user.email`), or `http`; `vestibule inspect` shows those of an Action"
    )]
    NoCapability { subject: String },
    #[error("two rules are for `{subject}`; keep one of them")]
    Twice { subject: Subject },
    #[error("no Action can be called {name:?}: {error}")]
    Name { name: String, error: IdError },
}

impl CapabilityPolicy {
    /// What of these an Action of this name may not have, sorted; nothing where it may be deployed.
    pub fn refused(&self, action: &str, capabilities: &Capabilities) -> Vec<Capability> {
        capabilities.capabilities.iter().filter(|capability| !self.allows(action, capability)).cloned().collect()
    }

    fn allows(&self, action: &str, capability: &Capability) -> bool {
        let rule = |function: Option<&str>| {
            let subject = Subject { interface: capability.interface.clone(), function: function.map(str::to_owned) };
            self.rules.get(&subject)
        };
        match rule(Some(&capability.function)).or_else(|| rule(None)) {
            Some(Who::Anyone) => true,
            Some(Who::Named(names)) => names.contains(action),
            None => self.others == Others::Allow,
        }
    }
}

impl FromStr for Subject {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        let (interface, function) =
            text.rsplit_once('.').map_or((text, None), |(interface, function)| (interface, Some(function)));
        let interface = if interface == HTTP { OUTGOING } else { interface };
        let is_meant = |(of, name): (&str, &str)| of == interface && function.is_none_or(|function| function == name);
        if phrases::all().any(is_meant) {
            Ok(Self { interface: interface.to_owned(), function: function.map(str::to_owned) })
        } else {
            Err(InvalidPolicy::NoCapability { subject: one_line(text) })
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.interface == OUTGOING { HTTP } else { &self.interface })?;
        match &self.function {
            Some(function) => write!(f, ".{function}"),
            None => Ok(()),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Who {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Anyone => serializer.serialize_str(ANYONE),
            Self::Named(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Who {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WhoVisitor)
    }
}

/// Rules as they are written. Of two for one capability, which may be two of its names, neither
/// would be known to count.
fn rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Subject, Who>, D::Error> {
    deserializer.deserialize_map(RulesVisitor)
}

struct RulesVisitor;

impl<'de> Visitor<'de> for RulesVisitor {
    type Value = BTreeMap<Subject, Who>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "capabilities, and for each of them \"{ANYONE}\" or a list of the names of Actions")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut given: A) -> Result<Self::Value, A::Error> {
        let mut rules = BTreeMap::new();
        while let Some((subject, who)) = given.next_entry::<Subject, Who>()? {
            match rules.entry(subject) {
                Entry::Vacant(place) => {
                    place.insert(who);
                }
                Entry::Occupied(place) => {
                    return Err(serde::de::Error::custom(InvalidPolicy::Twice { subject: place.key().clone() }));
                }
            }
        }
        Ok(rules)
    }
}

struct WhoVisitor;

impl<'de> Visitor<'de> for WhoVisitor {
    type Value = Who;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{ANYONE}\" or a list of the names of Actions")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Who, E> {
        match text {
            ANYONE => Ok(Who::Anyone),
            other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Who, A::Error> {
        let mut named = BTreeSet::new();
        while let Some(name) = names.next_element::<String>()? {
            // An author of a policy who writes a name that no Action can have has meant another.
            if let Err(error) = ActionId::new(&name, "0") {
                return Err(serde::de::Error::custom(InvalidPolicy::Name { name, error }));
            }
            named.insert(name);
        }
        Ok(Who::Named(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn policy(json: serde_json::Value) -> Result<CapabilityPolicy, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    fn refused(policy: &CapabilityPolicy, action: &str, asked: &[&str]) -> Vec<String> {
        let capabilities = asked.iter().map(|text| text.parse().unwrap()).collect();
        let capabilities = Capabilities { capabilities, plumbing: BTreeSet::new() };
        policy.refused(action, &capabilities).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_policy_that_says_nothing_allows_all_and_one_that_denies_others_allows_nothing() {
        let asked = ["event-user.email", "wasi:http/outgoing-handler.handle"];
        assert_eq!(refused(&policy(json!({})).unwrap(), "gate", &asked), Vec::<String>::new());
        assert_eq!(refused(&policy(json!({"others": "deny"})).unwrap(), "gate", &asked), asked);
    }

    #[test]
    fn only_the_named_action_reads_an_address() {
        let policy = policy(json!({"rules": {"event-user.email": ["crm-sync"]}})).unwrap();
        assert_eq!(refused(&policy, "gate", &["event-user.email", "event-user.id"]), ["event-user.email"]);
        assert_eq!(refused(&policy, "crm-sync", &["event-user.email", "event-user.id"]), Vec::<String>::new());
        assert_eq!(refused(&policy, "crm-sync2", &["event-user.email"]), ["event-user.email"]);
    }

    #[test]
    fn the_narrower_rule_counts_whichever_of_the_two_allows_more() {
        let closed = policy(json!({"rules": {"event-user": "anyone", "event-user.email": []}})).unwrap();
        assert_eq!(refused(&closed, "gate", &["event-user.email", "event-user.id"]), ["event-user.email"]);
        let open = policy(json!({"others": "deny", "rules": {"event-user": [], "event-user.email": "anyone"}})).unwrap();
        assert_eq!(refused(&open, "gate", &["event-user.email", "event-user.id"]), ["event-user.id"]);
    }

    #[test]
    fn http_is_the_sending_of_requests_by_any_of_its_names() {
        let asked = ["wasi:http/outgoing-handler.handle"];
        for name in ["http", "http.handle", "wasi:http/outgoing-handler", "wasi:http/outgoing-handler.handle"] {
            let policy = policy(json!({"rules": {name: ["fetcher"]}})).unwrap();
            assert_eq!(refused(&policy, "gate", &asked), asked, "{name}");
            assert_eq!(refused(&policy, "fetcher", &asked), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn a_rule_that_can_not_match_is_refused() {
        for subject in ["event-users", "event-user.mail", "event-user.", "", "wasi:io/streams", "http.get", "https"] {
            let refused = policy(json!({"rules": {subject: []}})).unwrap_err();
            assert!(refused.starts_with(&format!("`{subject}` names no capability; write an interface")), "{refused}");
        }
        let told = |json, text: &str| {
            let refused = policy(json).unwrap_err();
            assert!(refused.contains(text), "{refused}");
        };
        told(json!({"others": "perhaps"}), "expected `allow` or `deny`");
        told(json!({"rule": {}}), "unknown field `rule`, expected `others` or `rules`");
        told(json!({"rules": {"http": "none"}}), "expected \"anyone\" or a list of the names of Actions");
        told(json!({"rules": {"http": true}}), "expected \"anyone\" or a list of the names of Actions");
        told(
            json!({"rules": {"http": [], "wasi:http/outgoing-handler": "anyone"}}),
            "two rules are for `http`; keep one of them",
        );
        told(json!({"rules": [["http", []]]}), "expected capabilities, and for each of them");
        told(json!({"rules": {"http": ["crm/sync"]}}), "no Action can be called \"crm/sync\"");
        told(json!({"rules": {"http": [""]}}), "no Action can be called \"\"");
    }

    #[test]
    fn of_two_rules_for_one_capability_none_wins_in_silence() {
        let twice = r#"{"rules": {"event-user.email": [], "event-user.email": "anyone"}}"#;
        let refused = serde_json::from_str::<CapabilityPolicy>(twice).unwrap_err().to_string();
        assert!(refused.starts_with("two rules are for `event-user.email`; keep one of them"), "{refused}");
        // A rule for all of an interface and one for a part of it are not the same.
        assert!(policy(json!({"rules": {"http": [], "http.handle": "anyone"}})).is_ok());
    }

    #[test]
    fn toml_and_json_say_the_same() {
        let text =
            "others = \"deny\"\n[rules]\n\"event-user.email\" = [\"crm-sync\"]\nhttp = []\nevent-organization = \"anyone\"\n";
        let json =
            json!({"others": "deny", "rules": {"event-user.email": ["crm-sync"], "http": [], "event-organization": "anyone"}});
        let policy = policy(json.clone()).unwrap();
        assert_eq!(toml::from_str::<CapabilityPolicy>(text).unwrap(), policy);
        assert_eq!(serde_json::to_value(&policy).unwrap(), json, "and it is written as it was read");
    }

    fn subjects() -> impl Strategy<Value = String> {
        let single = phrases::all().map(|(interface, function)| format!("{interface}.{function}"));
        let whole = phrases::all().map(|(interface, _)| interface.to_owned());
        prop::sample::select(single.chain(whole).collect::<Vec<_>>())
    }

    fn who() -> impl Strategy<Value = serde_json::Value> {
        let names = prop::collection::btree_set("[a-c]", 0..3).prop_map(|names| json!(names));
        prop_oneof![Just(json!(ANYONE)), names]
    }

    proptest! {
        /// Held against the rule as a person would apply it, capability by capability.
        #[test]
        fn whatever_the_rules_the_narrowest_decides(
            rules in prop::collection::btree_map(subjects(), who(), 0..8),
            others in prop::sample::select(vec!["allow", "deny"]),
            action in "[a-c]",
        ) {
            let policy = policy(json!({"others": others, "rules": rules})).unwrap();
            let may = |who: &serde_json::Value| *who == json!(ANYONE) || who.as_array().is_some_and(|names| names.contains(&json!(action)));
            let all: BTreeSet<Capability> = phrases::all()
                .map(|(interface, function)| Capability { interface: interface.to_owned(), function: function.to_owned() })
                .collect();
            let expected: Vec<Capability> = all
                .iter()
                .filter(|capability| {
                    let rule = rules.get(&capability.to_string()).or_else(|| rules.get(&capability.interface));
                    !rule.map_or(others == "allow", may)
                })
                .cloned()
                .collect();
            let capabilities = Capabilities { capabilities: all, plumbing: BTreeSet::new() };
            prop_assert_eq!(policy.refused(&action, &capabilities), expected);
            let written = serde_json::to_string(&policy).unwrap();
            prop_assert_eq!(serde_json::from_str::<CapabilityPolicy>(&written).unwrap(), policy);
        }

        /// And whatever else is written is an error, and no panic.
        #[test]
        fn whatever_is_written_as_a_subject_is_read_or_refused(subject in "\\PC{0,40}") {
            if let Ok(parsed) = subject.parse::<Subject>() {
                prop_assert_eq!(parsed.to_string().parse::<Subject>(), Ok(parsed));
            }
        }
    }
}
