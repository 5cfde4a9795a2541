//! `api.access_token` and `api.id_token`: claims and scopes.

use serde::Serialize;
use vestibule_model::TokenError;

use super::json;
use crate::door::effect;

/// The access token that will be issued.
#[derive(Clone, Copy, Debug)]
pub struct AccessToken(pub(super) ());

impl AccessToken {
    /// Sets a claim of the tenant's own, to anything that serde writes as JSON. The last call for a name counts.
    ///
    /// # Errors
    /// When the name is empty, longer than 255 characters or reserved, or all claims would take more than 100,000 bytes.
    pub fn set_custom_claim(&self, name: &str, value: impl Serialize) -> Result<(), TokenError> {
        let value = json(&value).map_err(TokenError::InvalidJson)?;
        effect!(access_token::set_custom_claim(name, &value), |login| login.set_access_token_claim(name, &value))
    }

    /// Adds a scope to those that were granted. The last call for a scope counts.
    ///
    /// # Errors
    /// When it is not a scope (RFC 6749), or there would be more than 1,000 changes.
    pub fn add_scope(&self, scope: &str) -> Result<(), TokenError> {
        effect!(access_token::add_scope(scope), |login| login.add_scope(scope))
    }

    /// Takes a scope from those that were granted. The last call for a scope counts.
    ///
    /// # Errors
    /// When it is not a scope (RFC 6749), or there would be more than 1,000 changes.
    pub fn remove_scope(&self, scope: &str) -> Result<(), TokenError> {
        effect!(access_token::remove_scope(scope), |login| login.remove_scope(scope))
    }
}

/// The ID token that will be issued.
#[derive(Clone, Copy, Debug)]
pub struct IdToken(pub(super) ());

impl IdToken {
    /// Sets a claim of the tenant's own, to anything that serde writes as JSON. The last call for a name counts.
    ///
    /// # Errors
    /// When the name is empty, longer than 255 characters or reserved, or all claims would take more than 100,000 bytes.
    pub fn set_custom_claim(&self, name: &str, value: impl Serialize) -> Result<(), TokenError> {
        let value = json(&value).map_err(TokenError::InvalidJson)?;
        effect!(id_token::set_custom_claim(name, &value), |login| login.set_id_token_claim(name, &value))
    }
}
