//! `event-transaction`: what the client has asked for.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::parts::or_default;
use crate::TransactionValue;
use crate::json::Object;

/// The authentication transaction. Each member is the contract's function of the same name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct Transaction {
    /// The transaction's id.
    pub id: Option<String>,
    /// The protocol, `oidc-basic-profile` for instance.
    pub protocol: Option<String>,
    /// The scopes that the client has asked for.
    #[serde(deserialize_with = "or_default")]
    pub requested_scopes: Vec<String>,
    /// The authorization details that the client has asked for (RFC 9396).
    #[serde(deserialize_with = "or_default")]
    pub requested_authorization_details: Vec<Object>,
    /// The authentication context classes that the client has asked for.
    #[serde(deserialize_with = "or_default")]
    pub acr_values: Vec<String>,
    /// The prompts that the client has asked for.
    #[serde(deserialize_with = "or_default")]
    pub prompt: Vec<String>,
    /// Who the client thinks the user is.
    pub login_hint: Option<String>,
    /// Where the user is sent when the login has ended.
    pub redirect_uri: Option<String>,
    /// How the answer is delivered.
    pub response_mode: Option<String>,
    /// What the client wants for an answer.
    #[serde(deserialize_with = "or_default")]
    pub response_type: Vec<String>,
    /// What the client wants back unchanged.
    pub state: Option<String>,
    /// The locale that the login was shown in.
    pub locale: Option<String>,
    /// The locales that the client has asked for.
    #[serde(deserialize_with = "or_default")]
    pub ui_locales: Vec<String>,
    /// Ties together transactions of one device flow or one back-channel login.
    pub linking_id: Option<String>,
    /// The client's own id for this transaction.
    pub correlation_id: Option<String>,
    /// The type of the token that an exchange is about (RFC 8693).
    pub subject_token_type: Option<String>,
    /// The type of the token that stands for the acting party (RFC 8693).
    pub actor_token_type: Option<String>,
    /// The metadata before the flow; with its changes it is [`crate::Login::transaction_metadata`].
    #[serde(deserialize_with = "or_default")]
    pub metadata: BTreeMap<String, TransactionValue>,
}
