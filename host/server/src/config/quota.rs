//! What one tenant may store.

use super::section::Section;

/// What one tenant may store. Its Actions and executions have limits of their own beside these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaSettings {
    /// Clients, those included that the configuration declares. The Management API creates none
    /// beyond.
    pub clients: u64,
    /// Bytes of the answers of logins, within the time for which they are kept; each server counts
    /// its own. An answer beyond is not stored.
    pub answers: u64,
    /// Bytes of all that is stored for it. What would store more is refused beyond.
    pub bytes: u64,
}

impl Default for QuotaSettings {
    /// A client has 50 kB at most, so these are 50 MB. Answers have two kilobytes as a rule, so
    /// these are 500 logins a second for an hour. All of it are five of these, as many components
    /// as a tenant may have (4 GiB) included, and a fraction of a usual disk.
    fn default() -> Self {
        Self { clients: 1_000, answers: 4 << 30, bytes: 20 << 30 }
    }
}

impl QuotaSettings {
    /// Stored bytes of a tenant from which on the ends of its sessions owe nothing. They are
    /// possible beyond the quota, too, and as a rule tell the applications; but a session may owe a
    /// thousand times what it takes, so that they would fill the disk after all.
    pub(crate) fn owes_below(self) -> u64 {
        self.bytes.saturating_mul(2)
    }

    pub(super) fn read(file: &Section<'_>) -> Self {
        let mut settings = Self::default();
        if let Some(section) = file.section("quota") {
            settings.clients = number(&section, "clients").unwrap_or(settings.clients);
            settings.answers = bytes(&section, "answers").unwrap_or(settings.answers);
            settings.bytes = bytes(&section, "bytes").unwrap_or(settings.bytes);
            section.finish();
        }
        settings
    }
}

fn number(section: &Section<'_>, key: &'static str) -> Option<u64> {
    let given = section.number(key)?;
    let most = u64::from(u32::MAX);
    if (1..=most).contains(&given.value) {
        return Some(given.value);
    }
    section.source.mistake(&given.span, format!("`quota.{key}` is a number from 1 to {most}"), "");
    None
}

fn bytes(section: &Section<'_>, key: &'static str) -> Option<u64> {
    let given = section.amount(key)?;
    let bytes = vestibule::limits::bytes(&given.value).and_then(|bytes| u64::try_from(bytes).ok());
    if bytes.is_none() {
        let what = format!("`quota.{key}` can't be {:?}", given.value);
        section.source.mistake(&given.span, what, "write bytes, such as \"512 MiB\"");
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Configuration;
    use super::*;

    fn parse(text: &str) -> Result<QuotaSettings, String> {
        let text = format!("listen = \"127.0.0.1:0\"\n{text}\n[tenants.acme]\nhosts = [\"localhost\"]\n");
        let parsed = Configuration::parse(Path::new("/etc/vestibule/vestibule.toml"), &text);
        parsed.map(|configuration| configuration.quota).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn a_quota_is_as_written_or_the_default() {
        assert_eq!(parse("").unwrap(), QuotaSettings { clients: 1_000, answers: 4 << 30, bytes: 20 << 30 });
        assert_eq!(
            parse("[quota]\nclients = 5\nanswers = \"1 MiB\"\nbytes = \"2 MiB\"").unwrap(),
            QuotaSettings { clients: 5, answers: 1 << 20, bytes: 2 << 20 }
        );
        let mistake = parse("[quota]\nclients = 0").unwrap_err();
        assert!(mistake.contains(":3:") && mistake.contains("`quota.clients` is a number from 1"), "{mistake}");
    }
}
