//! `event.transaction`: what the client has asked for.

use serde_json::Value;
use vestibule_model::TransactionValue;

use crate::door::read;

/// The authentication transaction. Where a login has none, all of it is empty.
#[derive(Clone, Copy, Debug)]
pub struct Transaction(pub(super) ());

impl Transaction {
    /// The transaction's id.
    pub fn id(&self) -> Option<String> {
        read!(event_transaction::id(), |login| login.event().transaction().id.clone())
    }

    /// The protocol, `oidc-basic-profile` for instance.
    pub fn protocol(&self) -> Option<String> {
        read!(event_transaction::protocol(), |login| login.event().transaction().protocol.clone())
    }

    /// The scopes that the client has asked for.
    pub fn requested_scopes(&self) -> Vec<String> {
        read!(event_transaction::requested_scopes(), |login| login.event().transaction().requested_scopes.clone())
    }

    /// The authorization details that the client has asked for (RFC 9396), JSON objects.
    pub fn requested_authorization_details(&self) -> Vec<Value> {
        read!(event_transaction::requested_authorization_details(), |login| super::objects(
            &login.event().transaction().requested_authorization_details
        ))
    }

    /// The authentication context classes that the client has asked for, the most wanted first.
    pub fn acr_values(&self) -> Vec<String> {
        read!(event_transaction::acr_values(), |login| login.event().transaction().acr_values.clone())
    }

    /// The prompts that the client has asked for.
    pub fn prompt(&self) -> Vec<String> {
        read!(event_transaction::prompt(), |login| login.event().transaction().prompt.clone())
    }

    /// Who the client thinks the user is.
    pub fn login_hint(&self) -> Option<String> {
        read!(event_transaction::login_hint(), |login| login.event().transaction().login_hint.clone())
    }

    /// Where the user is sent when the login has ended.
    pub fn redirect_uri(&self) -> Option<String> {
        read!(event_transaction::redirect_uri(), |login| login.event().transaction().redirect_uri.clone())
    }

    /// How the answer is delivered to the client.
    pub fn response_mode(&self) -> Option<String> {
        read!(event_transaction::response_mode(), |login| login.event().transaction().response_mode.clone())
    }

    /// What the client wants for an answer.
    pub fn response_type(&self) -> Vec<String> {
        read!(event_transaction::response_type(), |login| login.event().transaction().response_type.clone())
    }

    /// What the client wants back unchanged.
    pub fn state(&self) -> Option<String> {
        read!(event_transaction::state(), |login| login.event().transaction().state.clone())
    }

    /// The locale that the login was shown in.
    pub fn locale(&self) -> Option<String> {
        read!(event_transaction::locale(), |login| login.event().transaction().locale.clone())
    }

    /// The locales that the client has asked for, the most wanted first.
    pub fn ui_locales(&self) -> Vec<String> {
        read!(event_transaction::ui_locales(), |login| login.event().transaction().ui_locales.clone())
    }

    /// Ties together transactions of one device flow or one back-channel login.
    pub fn linking_id(&self) -> Option<String> {
        read!(event_transaction::linking_id(), |login| login.event().transaction().linking_id.clone())
    }

    /// The client's own id for this transaction.
    pub fn correlation_id(&self) -> Option<String> {
        read!(event_transaction::correlation_id(), |login| login.event().transaction().correlation_id.clone())
    }

    /// The type of the token that an exchange is about (RFC 8693).
    pub fn subject_token_type(&self) -> Option<String> {
        read!(event_transaction::subject_token_type(), |login| login.event().transaction().subject_token_type.clone())
    }

    /// The type of the token that stands for the acting party (RFC 8693).
    pub fn actor_token_type(&self) -> Option<String> {
        read!(event_transaction::actor_token_type(), |login| login.event().transaction().actor_token_type.clone())
    }

    /// One entry of what the Actions of this transaction share; with what this flow has set so far.
    pub fn metadata(&self, key: &str) -> Option<TransactionValue> {
        read!(event_transaction::metadata_entry(key), |login| login.transaction_metadata_entry(key).cloned())
    }

    /// All that the Actions of this transaction share, sorted by name; with what this flow has set
    /// so far.
    pub fn all_metadata(&self) -> Vec<(String, TransactionValue)> {
        read!(event_transaction::metadata(), |login| login
            .transaction_metadata()
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect())
    }
}
