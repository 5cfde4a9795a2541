//! Actions that are deployed to a server that runs: how much of them is kept, and the key of their
//! secrets.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use vestibule::capability::CapabilityPolicy;
use vestibule_sessions::Keeping;

use super::lifetime::Lifetime;
use super::reference::Reference;
use super::section::{Read, Section};

/// What deployed Actions may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Bytes of compiled Actions in memory, of all tenants together.
    pub shelf: u64,
    /// The same, of one tenant.
    pub tenant_shelf: u64,
    /// Bytes of compiled code that are kept in the state folder, of all tenants together.
    pub compiled: u64,
    /// Actions of one tenant.
    pub each: u64,
    /// What of its components a tenant keeps.
    pub keeping: Keeping,
}

/// How executions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionSettings {
    /// For how long.
    pub keep: Lifetime,
    /// So many of one tenant at most; the oldest go.
    pub each: u64,
    /// So many of one tenant are taken in a second.
    pub per_second: u32,
}

/// Where the keys of secrets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretsKey {
    /// In a file of the state folder, which is made at the first start.
    Kept(PathBuf),
    /// Where the configuration says.
    Named(Reference),
}

/// About two thousand Actions in Rust (`host/runtime/benches/action_cache`), or a dozen in Python.
const SHELF: u64 = 512 << 20;
const TENANT_SHELF: u64 = 128 << 20;
/// Some hundred versions in Python, or tens of thousands in Rust.
const KEEPING: Keeping = Keeping { bytes: 4 << 30, versions: 20 };
/// Twenty thousand Actions in Rust.
const COMPILED: u64 = 4 << 30;
/// As many as Auth0 lets a tenant have.
const ACTIONS: u64 = 100;
/// Of one Action's report with its log: so that they are some 100 MB of a tenant at most.
const EXECUTIONS: u64 = 10_000;
const PER_SECOND: u32 = 100;

const REMEDY: &str = "write { others = \"allow\" or \"deny\", rules = { \"event-user.email\" = [\"crm-sync\"], http = [], event-organization = \"anyone\" } }: \
     `vestibule inspect` shows an Action's capabilities";

pub(super) fn registry(file: &Section<'_>) -> RegistrySettings {
    let mut settings =
        RegistrySettings { shelf: SHELF, tenant_shelf: TENANT_SHELF, compiled: COMPILED, each: ACTIONS, keeping: KEEPING };
    let Some(section) = file.section("actions") else { return settings };
    let bytes = |key| {
        let given = section.amount(key)?;
        let bytes = vestibule::limits::bytes(&given.value).and_then(|bytes| u64::try_from(bytes).ok()).filter(|bytes| *bytes > 0);
        if bytes.is_none() {
            section.source.mistake(
                &given.span,
                format!("`actions.{key}` can't be {:?}", given.value),
                "write bytes, such as \"512 MiB\"",
            );
        }
        Some(Read { value: bytes?, span: given.span })
    };
    let (shelf, tenant) = (bytes("shelf"), bytes("tenant_shelf"));
    settings.compiled = bytes("compiled").map_or(settings.compiled, |given| given.value);
    settings.shelf = shelf.map_or(settings.shelf, |given| given.value);
    match tenant {
        Some(tenant) if tenant.value > settings.shelf => section.source.mistake(
            &tenant.span,
            "one tenant can't have more than all of them have",
            "make `tenant_shelf` smaller, or `shelf` larger",
        ),
        Some(tenant) => settings.tenant_shelf = tenant.value,
        None => settings.tenant_shelf = settings.tenant_shelf.min(settings.shelf),
    }
    settings.each = at_least_one(&section, "actions", "each", u64::from(u32::MAX)).unwrap_or(settings.each);
    settings.keeping.bytes = bytes("kept").map_or(settings.keeping.bytes, |given| given.value);
    settings.keeping.versions = versions(&section).unwrap_or(settings.keeping.versions);
    section.finish();
    settings
}

pub(super) fn executions(file: &Section<'_>) -> ExecutionSettings {
    let mut settings = ExecutionSettings { keep: Lifetime::days(10), each: EXECUTIONS, per_second: PER_SECOND };
    let Some(section) = file.section("executions") else { return settings };
    settings.keep = section.parsed::<Lifetime>("keep").map_or(settings.keep, |given| given.value);
    settings.each = at_least_one(&section, "executions", "each", u64::from(u32::MAX)).unwrap_or(settings.each);
    let per_second = at_least_one(&section, "executions", "per_second", u64::from(u32::MAX));
    settings.per_second = per_second.and_then(|number| u32::try_from(number).ok()).unwrap_or(settings.per_second);
    section.finish();
    settings
}

/// At least two: others run the one before while a new one is made live.
fn versions(section: &Section<'_>) -> Option<u64> {
    let given = section.number("versions")?;
    if given.value >= 2 {
        return Some(given.value);
    }
    section.source.mistake(
        &given.span,
        "`actions.versions` is a number from 2 on",
        "other servers run the one before for a moment",
    );
    None
}

fn at_least_one(section: &Section<'_>, name: &str, key: &'static str, most: u64) -> Option<u64> {
    let given = section.number(key)?;
    if (1..=most).contains(&given.value) {
        return Some(given.value);
    }
    section.source.mistake(&given.span, format!("`{name}.{key}` is a number from 1 to {most}"), "");
    None
}

/// Which capabilities a tenant's deployed Actions may use, as the operator has it: rule by rule, so
/// that each mistake has its own line.
pub(super) fn policy(tenant: &Section<'_>) -> CapabilityPolicy {
    let Some(section) = tenant.section("capabilities") else { return CapabilityPolicy::default() };
    let read = |json: Value, span: &Range<usize>| {
        let read = serde_json::from_value::<CapabilityPolicy>(json).map_err(|error| error.to_string());
        if let Err(error) = &read {
            section.source.mistake(span, format!("`capabilities`: {error}"), REMEDY);
        }
        read.is_ok()
    };
    let mut whole = Map::new();
    if let Some(others) = section.json("others")
        && read(json!({ "others": others.value }), &others.span)
    {
        whole.insert("others".to_owned(), others.value);
    }
    let mut rules = Map::new();
    if let Some(section) = section.section("rules") {
        for (name, member) in section.members() {
            // With those before it: two may be for one capability.
            let mut more = rules.clone();
            more.insert(name.value.to_owned(), member.json().value);
            if read(json!({ "rules": more }), &name.span) {
                rules = more;
            }
        }
    }
    section.finish();
    whole.insert("rules".to_owned(), Value::Object(rules));
    serde_json::from_value(Value::Object(whole)).unwrap_or_default()
}

/// None only where a mistake has been told.
pub(super) fn secrets_key(file: &Section<'_>, state: &Path) -> Option<SecretsKey> {
    if !file.has("secrets_key") {
        return Some(SecretsKey::Kept(state.join("keys").join("secrets.keys")));
    }
    file.section("secrets_key").and_then(|section| Reference::read(&section)).map(SecretsKey::Named)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Configuration;
    use super::*;

    const TENANT: &str = "[tenants.acme]\nhosts = [\"localhost\"]\n";

    fn parse(text: &str) -> Result<Configuration, String> {
        let text = format!("listen = \"127.0.0.1:0\"\n{text}\n{TENANT}");
        Configuration::parse(Path::new("/etc/vestibule/vestibule.toml"), &text).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn what_is_not_said_is_as_documented() {
        let configuration = parse("").unwrap();
        assert_eq!(
            configuration.actions,
            RegistrySettings {
                shelf: 512 << 20,
                tenant_shelf: 128 << 20,
                compiled: 4 << 30,
                each: 100,
                keeping: Keeping { bytes: 4 << 30, versions: 20 }
            }
        );
        let executions = ExecutionSettings { keep: Lifetime::days(10), each: 10_000, per_second: 100 };
        assert_eq!(configuration.executions, executions);
        assert_eq!(configuration.secrets_key, SecretsKey::Kept("/etc/vestibule/state/keys/secrets.keys".into()));
    }

    #[test]
    fn all_of_it_can_be_said() {
        let text = "secrets_key = { env = \"KEYS\" }\n[actions]\nshelf = \"64 MiB\"\ntenant_shelf = \"1 MiB\"\ncompiled = \"2048 MiB\"\neach = 7\nkept = \"1 MiB\"\nversions = 2\n\
                    [executions]\nkeep = \"1 h\"\neach = 5\nper_second = 3";
        let configuration = parse(text).unwrap();
        assert_eq!(
            configuration.actions,
            RegistrySettings {
                shelf: 64 << 20,
                tenant_shelf: 1 << 20,
                compiled: 2 << 30,
                each: 7,
                keeping: Keeping { bytes: 1 << 20, versions: 2 }
            }
        );
        assert_eq!((configuration.executions.each, configuration.executions.per_second), (5, 3));
        assert_eq!(configuration.secrets_key, SecretsKey::Named(Reference::Environment("KEYS".to_owned())));
        assert_eq!(parse("[actions]\nshelf = \"64 MiB\"").unwrap().actions.tenant_shelf, 64 << 20);
    }

    #[test]
    fn each_mistake_names_its_line_and_what_to_do() {
        for (text, line, what) in [
            ("[actions]\nshelf = \"much\"", 3, "`actions.shelf` can't be \"much\""),
            ("[actions]\nshelf = 0", 3, "`actions.shelf` can't be \"0\""),
            ("[actions]\ntenant_shelf = \"1024 MiB\"", 3, "one tenant can't have more than all of them have"),
            ("[actions]\ncompiled = 0", 3, "`actions.compiled` can't be \"0\""),
            ("[actions]\nversions = 1", 3, "`actions.versions` is a number from 2 on"),
            ("[actions]\neach = 0", 3, "`actions.each` is a number from 1 to 4294967295"),
            ("[actions]\nshelve = 1", 3, "is it `shelf`?"),
            (
                "[tenants.globex]\nhosts = [\"globex\"]\n[tenants.globex.capabilities.rules]\nhttp = []\n\"wasi:http/outgoing-handler\" = \"anyone\"",
                6,
                "two rules are for `http`; keep one of them",
            ),
            ("[executions]\nkeep = \"soon\"", 3, "not a lifetime"),
            ("[executions]\nper_second = -1", 3, "a number that is not below nought"),
            ("secrets_key = \"the key itself\"", 2, "`secrets_key` is a string, and a table is expected"),
            ("secrets_key = { text = \"k\" }", 2, "write { env = \"NAME\" } or { file = \"PATH\" }"),
        ] {
            let mistakes = parse(text).unwrap_err();
            assert!(mistakes.contains(&format!(":{line}:")) && mistakes.contains(what), "{text}:\n{mistakes}");
        }
    }
}
