//! What an Action does. Each method is one function of the contract: what a compiled Action names
//! is what it can do.
//!
//! An effect is checked when it is asked for. With `?` its error fails the login; without, the
//! Action can go on.

mod access;
mod cache;
mod membership;
mod multifactor;
mod refresh_token;
mod saml_response;
mod session;
mod tokens;
mod transaction;
mod user;

pub use access::{Access, Validation};
pub use cache::Cache;
pub use membership::{Groups, Roles};
pub use multifactor::Multifactor;
pub use refresh_token::RefreshToken;
pub use saml_response::SamlResponse;
pub use session::Session;
pub use tokens::{AccessToken, IdToken};
pub use transaction::Transaction;
pub use user::User;

use serde::Serialize;

/// What an Action can ask for, under the names that authors know from Auth0.
#[derive(Clone, Copy, Debug)]
pub struct Api(());

impl Api {
    pub(crate) fn here() -> Self {
        Self(())
    }

    /// Whether the login goes on.
    pub fn access(&self) -> Access {
        Access(())
    }

    /// The access token that will be issued.
    pub fn access_token(&self) -> AccessToken {
        AccessToken(())
    }

    /// The ID token that will be issued.
    pub fn id_token(&self) -> IdToken {
        IdToken(())
    }

    /// Short-lived values that the Actions of one trigger share over many logins of a tenant.
    pub fn cache(&self) -> Cache {
        Cache(())
    }

    /// The groups that the user is in.
    pub fn groups(&self) -> Groups {
        Groups(())
    }

    /// Whether a second factor is required when the flow has ended.
    pub fn multifactor(&self) -> Multifactor {
        Multifactor(())
    }

    /// The metadata and the lifetime of the refresh token that is exchanged.
    pub fn refresh_token(&self) -> RefreshToken {
        RefreshToken(())
    }

    /// The roles that the user has, by themselves or by a group.
    pub fn roles(&self) -> Roles {
        Roles(())
    }

    /// What the response that answers a SAML login is made of.
    pub fn saml_response(&self) -> SamlResponse {
        SamlResponse(())
    }

    /// The session's metadata and lifetime.
    pub fn session(&self) -> Session {
        Session(())
    }

    /// What the Actions of one transaction share.
    pub fn transaction(&self) -> Transaction {
        Transaction(())
    }

    /// The user's own metadata.
    pub fn user(&self) -> User {
        User(())
    }

    /// The Action's own errors.
    pub fn validation(&self) -> Validation {
        Validation(())
    }
}

/// A value as JSON text, or why it can't be.
fn json(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}
