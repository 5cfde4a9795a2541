//! `event-client`, and the small groups: `event-resource-server`, `event-security-context`,
//! `event-stats`, `event-tenant`.

use serde::Deserialize;

use super::parts::or_default;
use crate::json::Object;
use crate::{StringMap, TenantId};

/// The application that the user logs in to.
#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an object")]
pub struct Client {
    /// `event-client.id`.
    #[serde(rename = "client_id")]
    pub id: String,
    /// `event-client.name`.
    pub name: String,
    /// `event-client.metadata`.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: StringMap,
    #[serde(default, deserialize_with = "or_default")]
    refresh_token: RefreshTokenSettings,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(expecting = "an object")]
struct RefreshTokenSettings {
    #[serde(default, deserialize_with = "or_default")]
    policies: Vec<Object>,
}

impl Client {
    /// `event-client.refresh-token-policies`.
    pub fn refresh_token_policies(&self) -> &[Object] {
        &self.refresh_token.policies
    }
}

/// The API that the access token is for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(expecting = "an object")]
pub struct ResourceServer {
    /// `event-resource-server.identifier`.
    pub identifier: Option<String>,
}

/// Fingerprints of the TLS connection.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(expecting = "an object")]
pub struct SecurityContext {
    /// `event-security-context.ja3`.
    pub ja3: Option<String>,
    /// `event-security-context.ja4`.
    pub ja4: Option<String>,
}

/// Counters of this user.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(expecting = "an object")]
pub struct Stats {
    /// `event-stats.logins-count`.
    #[serde(default)]
    pub logins_count: u64,
}

/// The tenant that the login belongs to.
#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an object")]
pub struct Tenant {
    /// `event-tenant.id`.
    pub id: TenantId,
}
