//! `event-connection`: where the user's identity comes from.

use serde::Deserialize;

use super::parts::or_default;
use crate::StringMap;

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object")]
pub struct Connection {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The kind of connection, `auth0` or `samlp` for instance.
    pub strategy: String,
    /// Its metadata.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: StringMap,
}
