//! `api.access_token` and `api.id_token`: claims and scopes.

use serde::Serialize;
use vestibule_model::TokenError;

use super::json;
use crate::door::effect;

/// The access token that will be issued.
#[derive(Clone, Copy, Debug)]
pub struct AccessToken(pub(super) ());

impl AccessToken {
    /// Sets a claim of the tenant's own, to anything that serde writes as JSON. The last call for a
    /// name counts.
    ///
    /// `None` sets the claim to `null`, which is a value to those who read the token. To leave the
    /// claim out, as `undefined` in JavaScript does, make no call:
    ///
    /// ```
    /// use vestibule_sdk::testing::Login;
    /// use vestibule_sdk::{Api, Event, PostLogin, Result};
    ///
    /// struct OrganizationClaims;
    ///
    /// impl PostLogin for OrganizationClaims {
    ///     fn on_execute_post_login(event: &Event, api: &Api) -> Result {
    ///         let organization = event.organization().map(|organization| organization.name);
    ///         api.access_token().set_custom_claim("null_without_one", &organization)?;
    ///         if let Some(name) = organization {
    ///             api.access_token().set_custom_claim("absent_without_one", name)?;
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let claims = Login::new().run::<OrganizationClaims>().access_token.unwrap().claims;
    /// assert!(claims["null_without_one"].value.is_null());
    /// assert!(!claims.contains_key("absent_without_one"));
    /// ```
    ///
    /// # Errors
    /// When the name is empty, longer than 255 characters or reserved, or all claims would take
    /// more than 100,000 bytes.
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
    /// Sets a claim of the tenant's own, to anything that serde writes as JSON. The last call for a
    /// name counts. `None` sets the claim to `null`; [`AccessToken::set_custom_claim`] shows how to
    /// leave a claim out.
    ///
    /// # Errors
    /// When the name is empty, longer than 255 characters or reserved, or all claims would take
    /// more than 100,000 bytes.
    pub fn set_custom_claim(&self, name: &str, value: impl Serialize) -> Result<(), TokenError> {
        let value = json(&value).map_err(TokenError::InvalidJson)?;
        effect!(id_token::set_custom_claim(name, &value), |login| login.set_id_token_claim(name, &value))
    }
}
