//! `event-prompt`: the form that the user has filled in.

use serde::Deserialize;

use super::parts::or_default;
use crate::json::Object;

/// A form that the user has filled in on the way here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(expecting = "an object")]
pub struct Prompt {
    /// `event-prompt.id`.
    pub id: Option<String>,
    /// `event-prompt.fields`.
    #[serde(default, deserialize_with = "or_default")]
    pub fields: Object,
    /// `event-prompt.vars`.
    #[serde(default, deserialize_with = "or_default")]
    pub vars: Object,
}
