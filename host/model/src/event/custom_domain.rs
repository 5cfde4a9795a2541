//! `event-custom-domain`: the tenant's own domain that the login came by.

use serde::Deserialize;

use super::parts::or_default;
use crate::StringMap;

/// A custom domain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "an object")]
pub struct CustomDomain {
    /// Its name, `login.example.com` for instance.
    pub domain: String,
    /// Its metadata (`domain_metadata` in the event).
    #[serde(default, rename = "domain_metadata", deserialize_with = "or_default")]
    pub metadata: StringMap,
}
