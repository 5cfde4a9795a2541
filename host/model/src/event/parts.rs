//! What several groups of the event are made of.

use serde::{Deserialize, Deserializer, Serialize};

/// `null` is what a member is when it is missing.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A property of a device: as it was first seen, and as it was last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceValue {
    /// As it was when the session or the token was created.
    pub initial: Option<String>,
    /// As it was when the session or the token was last used.
    pub last: Option<String>,
}

/// Whether the session's cookie outlives the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CookieMode {
    /// The cookie is kept until the session expires.
    Persistent,
    /// The cookie ends with the browser.
    NonPersistent,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Device {
    initial_ip: Option<String>,
    initial_asn: Option<String>,
    initial_user_agent: Option<String>,
    last_ip: Option<String>,
    last_asn: Option<String>,
    last_user_agent: Option<String>,
}

impl Device {
    pub(super) fn ip(&self) -> DeviceValue {
        DeviceValue { initial: self.initial_ip.clone(), last: self.last_ip.clone() }
    }

    pub(super) fn asn(&self) -> DeviceValue {
        DeviceValue { initial: self.initial_asn.clone(), last: self.last_asn.clone() }
    }

    pub(super) fn user_agent(&self) -> DeviceValue {
        DeviceValue { initial: self.initial_user_agent.clone(), last: self.last_user_agent.clone() }
    }
}
