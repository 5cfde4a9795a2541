//! `event-refresh-token`: the refresh token that is exchanged.

use serde::Deserialize;

use super::parts::{Device, DeviceValue, or_default};
use crate::json::Object;
use crate::{Metadata, Timestamp};

/// What the contract's record holds of a refresh token: never the token's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshTokenFacts {
    /// Its id.
    pub id: String,
    /// The client that it was issued to.
    pub client_id: Option<String>,
    /// The session that it belongs to.
    pub session_id: Option<String>,
    /// Whether each exchange gives a new token.
    pub rotating: Option<bool>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last exchanged.
    pub last_exchanged_at: Option<Timestamp>,
    /// When it ends, unless it is used before.
    pub idle_expires_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// The refresh token that is exchanged.
#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an object")]
pub struct RefreshToken {
    id: String,
    client_id: Option<String>,
    session_id: Option<String>,
    rotating: Option<bool>,
    created_at: Timestamp,
    last_exchanged_at: Option<Timestamp>,
    idle_expires_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    user_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    device: Device,
    #[serde(default, deserialize_with = "or_default")]
    metadata: Metadata,
    #[serde(default, deserialize_with = "or_default")]
    resource_servers: Vec<Object>,
}

impl RefreshToken {
    /// `event-refresh-token.get`.
    pub fn facts(&self) -> RefreshTokenFacts {
        RefreshTokenFacts {
            id: self.id.clone(),
            client_id: self.client_id.clone(),
            session_id: self.session_id.clone(),
            rotating: self.rotating,
            created_at: self.created_at,
            last_exchanged_at: self.last_exchanged_at,
            idle_expires_at: self.idle_expires_at,
            expires_at: self.expires_at,
        }
    }

    /// `event-refresh-token.user-id`.
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// `event-refresh-token.device-ip`.
    pub fn device_ip(&self) -> DeviceValue {
        self.device.ip()
    }

    /// `event-refresh-token.device-asn`.
    pub fn device_asn(&self) -> DeviceValue {
        self.device.asn()
    }

    /// `event-refresh-token.device-user-agent`.
    pub fn device_user_agent(&self) -> DeviceValue {
        self.device.user_agent()
    }

    /// The metadata before the flow; with its changes it is
    /// [`crate::Login::refresh_token_metadata`].
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// `event-refresh-token.resource-servers`.
    pub fn resource_servers(&self) -> &[Object] {
        &self.resource_servers
    }
}

/// The refresh token of a login, or what is read of a login without one: nothing.
#[derive(Clone, Copy, Debug)]
pub struct RefreshTokenView<'a>(pub(super) Option<&'a RefreshToken>);

impl<'a> RefreshTokenView<'a> {
    /// `event-refresh-token.get`.
    pub fn facts(self) -> Option<RefreshTokenFacts> {
        self.0.map(RefreshToken::facts)
    }

    /// `event-refresh-token.user-id`.
    pub fn user_id(self) -> Option<&'a str> {
        self.0.and_then(RefreshToken::user_id)
    }

    /// `event-refresh-token.device-ip`.
    pub fn device_ip(self) -> DeviceValue {
        self.0.map(RefreshToken::device_ip).unwrap_or_default()
    }

    /// `event-refresh-token.device-asn`.
    pub fn device_asn(self) -> DeviceValue {
        self.0.map(RefreshToken::device_asn).unwrap_or_default()
    }

    /// `event-refresh-token.device-user-agent`.
    pub fn device_user_agent(self) -> DeviceValue {
        self.0.map(RefreshToken::device_user_agent).unwrap_or_default()
    }

    /// `event-refresh-token.resource-servers`.
    pub fn resource_servers(self) -> &'a [Object] {
        self.0.map(RefreshToken::resource_servers).unwrap_or_default()
    }
}
