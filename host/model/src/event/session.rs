//! `event-session`: the session that this login creates or continues.

use serde::Deserialize;

use super::parts::{CookieMode, Device, DeviceValue, or_default};
use crate::{Metadata, SessionId, Timestamp};

/// When things happened to a session, and when it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionTimes {
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// When the user last proved who they are.
    pub authenticated_at: Option<Timestamp>,
    /// When it was last used.
    pub last_interacted_at: Option<Timestamp>,
    /// When it ends, unless it is used before.
    pub idle_expires_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// The session that this login creates or continues.
#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an object")]
pub struct Session {
    /// `event-session.id`.
    pub id: SessionId,
    user_id: Option<String>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    authenticated_at: Option<Timestamp>,
    last_interacted_at: Option<Timestamp>,
    idle_expires_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "or_default")]
    device: Device,
    #[serde(default, deserialize_with = "or_default")]
    clients: Vec<SessionClient>,
    cookie: Option<Cookie>,
    /// The metadata before the flow; with its changes it is [`crate::Login::session_metadata`].
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an object")]
struct SessionClient {
    client_id: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an object")]
struct Cookie {
    mode: CookieMode,
}

impl Session {
    /// `event-session.user-id`.
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// `event-session.times`.
    pub fn times(&self) -> SessionTimes {
        SessionTimes {
            created_at: self.created_at,
            updated_at: self.updated_at,
            authenticated_at: self.authenticated_at,
            last_interacted_at: self.last_interacted_at,
            idle_expires_at: self.idle_expires_at,
            expires_at: self.expires_at,
        }
    }

    /// Sets when things happened to it, which the session's store knows better than the sender of
    /// the event.
    pub fn set_times(&mut self, times: SessionTimes) {
        let SessionTimes { created_at, updated_at, authenticated_at, last_interacted_at, idle_expires_at, expires_at } = times;
        self.created_at = created_at;
        self.updated_at = updated_at;
        self.authenticated_at = authenticated_at;
        self.last_interacted_at = last_interacted_at;
        self.idle_expires_at = idle_expires_at;
        self.expires_at = expires_at;
    }

    /// Says which clients have taken part in it.
    pub fn set_clients(&mut self, clients: impl IntoIterator<Item = String>) {
        self.clients = clients.into_iter().map(|client_id| SessionClient { client_id }).collect();
    }

    /// `event-session.device-ip`.
    pub fn device_ip(&self) -> DeviceValue {
        self.device.ip()
    }

    /// `event-session.device-asn`.
    pub fn device_asn(&self) -> DeviceValue {
        self.device.asn()
    }

    /// `event-session.device-user-agent`.
    pub fn device_user_agent(&self) -> DeviceValue {
        self.device.user_agent()
    }

    /// `event-session.clients`.
    pub fn clients(&self) -> impl Iterator<Item = &str> {
        self.clients.iter().map(|client| client.client_id.as_str())
    }

    /// `event-session.cookie`.
    pub fn cookie(&self) -> Option<CookieMode> {
        self.cookie.as_ref().map(|cookie| cookie.mode)
    }
}

/// The session of a login, or what is read of a login without one: nothing.
#[derive(Clone, Copy, Debug)]
pub struct SessionView<'a>(pub(super) Option<&'a Session>);

impl<'a> SessionView<'a> {
    /// `event-session.id`.
    pub fn id(self) -> Option<&'a SessionId> {
        self.0.map(|session| &session.id)
    }

    /// `event-session.user-id`.
    pub fn user_id(self) -> Option<&'a str> {
        self.0.and_then(Session::user_id)
    }

    /// `event-session.times`.
    pub fn times(self) -> SessionTimes {
        self.0.map(Session::times).unwrap_or_default()
    }

    /// `event-session.device-ip`.
    pub fn device_ip(self) -> DeviceValue {
        self.0.map(Session::device_ip).unwrap_or_default()
    }

    /// `event-session.device-asn`.
    pub fn device_asn(self) -> DeviceValue {
        self.0.map(Session::device_asn).unwrap_or_default()
    }

    /// `event-session.device-user-agent`.
    pub fn device_user_agent(self) -> DeviceValue {
        self.0.map(Session::device_user_agent).unwrap_or_default()
    }

    /// `event-session.clients`.
    pub fn clients(self) -> impl Iterator<Item = &'a str> {
        self.0.into_iter().flat_map(Session::clients)
    }

    /// `event-session.cookie`.
    pub fn cookie(self) -> Option<CookieMode> {
        self.0.and_then(Session::cookie)
    }
}
