//! `event-organization`: the organization that the user logs in to.

use serde::Deserialize;

use super::parts::or_default;
use crate::StringMap;

/// An organization.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object")]
pub struct Organization {
    /// Its id.
    pub id: String,
    /// Its name as it stands in URLs.
    pub name: String,
    /// Its name for people, where it has one.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Its metadata.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: StringMap,
}
