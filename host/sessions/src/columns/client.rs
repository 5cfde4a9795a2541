//! A client's row.

use super::{corrupt, from_json, json, millis, timestamp};
use crate::client::{Client, ClientSource, LogoutSettings};
use crate::error::StoreError;

/// The columns of a client, in the order in which they are selected and inserted. What stands
/// before them is the tenant.
macro_rules! client_columns {
    () => {
        "id, name, body, logout, source, created_at, updated_at, revision"
    };
}
pub(crate) use client_columns;

const CLIENT: &str = "a client";

/// A client's row, without its tenant.
#[derive(Clone, Debug)]
pub(crate) struct ClientRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) body: String,
    pub(crate) logout: Option<String>,
    pub(crate) source: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) revision: i64,
}

impl ClientRow {
    /// A new one.
    pub(crate) fn new(client: &Client) -> Self {
        Self {
            id: client.id.as_str().to_owned(),
            name: client.name.clone(),
            body: json(&client.body),
            logout: client.logout.as_ref().map(json),
            source: client.source.as_str().to_owned(),
            created_at: millis(client.created_at),
            updated_at: millis(client.updated_at),
            revision: 1,
        }
    }

    /// What comes in place of this one.
    pub(crate) fn replaced_by(&self, client: &Client) -> Self {
        Self {
            created_at: self.created_at,
            // Clocks of several hosts differ; no moment goes back for that.
            updated_at: self.updated_at.max(millis(client.updated_at)),
            revision: self.revision.saturating_add(1),
            ..Self::new(client)
        }
    }

    /// Whether this client, as it is declared, would change nothing.
    pub(crate) fn is_as_declared(&self, client: &Client) -> bool {
        let new = Self::new(client);
        self.name == new.name && self.body == new.body && self.logout == new.logout && self.source == new.source
    }

    /// Whether the configuration has the say.
    pub(crate) fn is_declared(&self) -> bool {
        self.source == ClientSource::Configuration.as_str()
    }

    /// What it wants to hear. What can't be read is nothing.
    pub(crate) fn settings(&self) -> Option<LogoutSettings> {
        self.logout.as_deref().and_then(|logout| logout_settings(logout).ok())
    }

    /// What the row holds.
    pub(crate) fn read(&self) -> Result<Client, StoreError> {
        let sources = [ClientSource::Configuration, ClientSource::Management];
        Ok(Client {
            id: self.id.parse().map_err(|_| corrupt(CLIENT, "`id` is no client's id"))?,
            name: self.name.clone(),
            body: from_json(CLIENT, "body", &self.body)?,
            logout: self.logout.as_deref().map(logout_settings).transpose()?,
            source: sources
                .into_iter()
                .find(|source| source.as_str() == self.source)
                .ok_or_else(|| corrupt(CLIENT, "`source` is none that is known"))?,
            created_at: timestamp(self.created_at)?,
            updated_at: timestamp(self.updated_at)?,
            revision: u64::try_from(self.revision).map_err(|_| corrupt(CLIENT, "`revision` is below nought"))?,
        })
    }
}

/// A client's settings, from their column.
pub(crate) fn logout_settings(text: &str) -> Result<LogoutSettings, StoreError> {
    from_json(CLIENT, "logout", text)
}
