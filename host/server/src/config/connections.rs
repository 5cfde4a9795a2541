//! How many connections there may be, and how much memory bodies of requests may take.

use super::section::{Read, Section};

/// How many connections there may be; where nothing is said, the server decides by the descriptors
/// that it may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// In all.
    pub all: Option<u32>,
    /// Of one peer: of an IPv4 address, or of an IPv6 network of 64 bits.
    pub per_peer: Option<u32>,
}

/// Bytes of requests' bodies that may be in memory at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodySettings {
    /// In all.
    pub all: u64,
    /// Of one tenant.
    pub each: u64,
    /// Of one peer; where nothing is said, three quarters of a tenant's, and all of it behind a
    /// proxy.
    pub per_peer: Option<u64>,
}

/// Room for two components of each of four tenants.
const BODIES: BodySettings = BodySettings { all: 256 << 20, each: 64 << 20, per_peer: None };

impl Default for BodySettings {
    fn default() -> Self {
        BODIES
    }
}

pub(super) fn connections(file: &Section<'_>) -> ConnectionSettings {
    let mut settings = ConnectionSettings::default();
    let Some(section) = file.section("connections") else { return settings };
    let number = |key| {
        let given = section.number(key)?;
        let number = u32::try_from(given.value).ok().filter(|number| *number > 0);
        if number.is_none() {
            let what = format!("`connections.{key}` is a number from 1 to {}", u32::MAX);
            section.source.mistake(&given.span, what, "");
        }
        Some(Read { value: number?, span: given.span })
    };
    let (all, per_peer) = (number("all"), number("per_peer"));
    if let (Some(all), Some(per_peer)) = (&all, &per_peer)
        && per_peer.value > all.value
    {
        let what = "one peer can't have more connections than all of them have";
        section.source.mistake(&per_peer.span, what, "make `per_peer` smaller, or `all` larger");
    }
    settings.all = all.map(|given| given.value);
    settings.per_peer = per_peer.map(|given| given.value);
    section.finish();
    settings
}

pub(super) fn bodies(file: &Section<'_>) -> BodySettings {
    let mut settings = BODIES;
    let Some(section) = file.section("bodies") else { return settings };
    let bytes = |key| {
        let given = section.amount(key)?;
        let bytes = vestibule::limits::bytes(&given.value).and_then(|bytes| u64::try_from(bytes).ok());
        let bytes = bytes.filter(|bytes| *bytes >= LEAST);
        if bytes.is_none() {
            let what = format!("`bodies.{key}` can't be {:?}", given.value);
            section.source.mistake(&given.span, what, "write bytes, 1 MiB or more, such as \"256 MiB\"");
        }
        Some(Read { value: bytes?, span: given.span })
    };
    let (all, each, per_peer) = (bytes("all"), bytes("each"), bytes("per_peer"));
    settings.all = all.map_or(settings.all, |given| given.value);
    match each {
        Some(each) if each.value > settings.all => section.source.mistake(
            &each.span,
            "one tenant can't have more than all of them have",
            "make `each` smaller, or `all` larger",
        ),
        Some(each) => settings.each = each.value,
        None => settings.each = settings.each.min(settings.all),
    }
    match per_peer {
        Some(per_peer) if per_peer.value > settings.each => section.source.mistake(
            &per_peer.span,
            "one peer can't have more than one tenant has",
            "make `per_peer` smaller, or `each` larger",
        ),
        per_peer => settings.per_peer = per_peer.map(|given| given.value),
    }
    section.finish();
    settings
}

/// A login's event has to have room.
const LEAST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Configuration;
    use super::*;

    fn parse(text: &str) -> Result<Configuration, String> {
        let text = format!("listen = \"127.0.0.1:0\"\n{text}\n[tenants.acme]\nhosts = [\"localhost\"]\n");
        Configuration::parse(Path::new("vestibule.toml"), &text).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn limits_are_as_documented_or_as_given() {
        let settings = |text| parse(text).map(|parsed| (parsed.connections, parsed.bodies)).unwrap();
        assert_eq!(settings(""), (ConnectionSettings { all: None, per_peer: None }, BODIES));
        let (connections, bodies) = settings("connections = { all = 9, per_peer = 3 }\nbodies = { all = \"2 MiB\" }");
        assert_eq!(connections, ConnectionSettings { all: Some(9), per_peer: Some(3) });
        assert_eq!(bodies, BodySettings { all: 2 << 20, each: 2 << 20, per_peer: None });
        assert_eq!(settings("bodies = { per_peer = \"8 MiB\" }").1, BodySettings { per_peer: Some(8 << 20), ..BODIES });
        assert_eq!(settings("bodies = { each = \"1 MiB\" }").1, BodySettings { each: 1 << 20, ..BODIES });
    }

    #[test]
    fn limits_that_contradict_each_other_are_mistakes() {
        for (text, what) in [
            ("connections = { all = 0 }", "`connections.all` is a number from 1"),
            ("connections = { all = 1, per_peer = 2 }", "one peer can't have more connections"),
            ("bodies = { all = \"1 KiB\" }", "`bodies.all` can't be"),
            ("bodies = { all = \"2 MiB\", each = \"3 MiB\" }", "one tenant can't have more"),
            ("bodies = { each = \"2 MiB\", per_peer = \"3 MiB\" }", "one peer can't have more than one tenant"),
            ("bodies = { eech = \"3 MiB\" }", "is it `each`?"),
        ] {
            let mistakes = parse(text).unwrap_err();
            assert!(mistakes.contains(what), "{text}: {mistakes}");
        }
    }
}
