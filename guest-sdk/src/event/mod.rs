//! What an Action sees. Each method is one function of the contract: what a compiled Action names
//! is what it can see.

mod client;
mod refresh_token;
mod request;
mod session;
mod transaction;
mod user;

pub use client::{Authentication, Client, Prompt, SecurityContext};
pub use refresh_token::RefreshToken;
pub use request::Request;
pub use session::Session;
pub use transaction::Transaction;
pub use user::User;

use vestibule_model::event::{Connection, CustomDomain, Organization};

use crate::door::read;

/// The login event, under the names that authors know from Auth0. It holds nothing: each fact is
/// asked for when it is read.
#[derive(Clone, Copy, Debug)]
pub struct Event(());

impl Event {
    pub(crate) fn here() -> Self {
        Self(())
    }

    /// The user who logs in.
    pub fn user(&self) -> User {
        User(())
    }

    /// The session that this login creates or continues.
    pub fn session(&self) -> Session {
        Session(())
    }

    /// The application that the user logs in to.
    pub fn client(&self) -> Client {
        Client(())
    }

    /// The request that reached the identity platform.
    pub fn request(&self) -> Request {
        Request(())
    }

    /// What the client has asked for.
    pub fn transaction(&self) -> Transaction {
        Transaction(())
    }

    /// How the user has proved who they are.
    pub fn authentication(&self) -> Authentication {
        Authentication(())
    }

    /// The refresh token that is exchanged.
    pub fn refresh_token(&self) -> RefreshToken {
        RefreshToken(())
    }

    /// The form that the user has filled in on the way here.
    pub fn prompt(&self) -> Prompt {
        Prompt(())
    }

    /// Fingerprints of the connection.
    pub fn security_context(&self) -> SecurityContext {
        SecurityContext(())
    }

    /// The organization that the user logs in to; none where the login isn't for one.
    pub fn organization(&self) -> Option<Organization> {
        read!(event_organization::get(), |login| login.event().organization.clone())
    }

    /// The tenant's own domain that the login came by (`event.custom_domain`); none where it came
    /// by the platform's own.
    pub fn custom_domain(&self) -> Option<CustomDomain> {
        read!(event_custom_domain::get(), |login| login.event().custom_domain.clone())
    }

    /// Where the user's identity comes from.
    pub fn connection(&self) -> Connection {
        read!(event_connection::get(), |login| login.event().connection.clone())
    }

    /// The names of the user's roles (`event.authorization.roles`).
    pub fn roles(&self) -> Vec<String> {
        read!(event_authorization::roles(), |login| login.event().authorization.roles.clone())
    }

    /// The identifier of the API that the access token is for (`event.resource_server.identifier`).
    pub fn resource_server(&self) -> Option<String> {
        read!(event_resource_server::identifier(), |login| login.event().resource_server.identifier.clone())
    }

    /// How often the user has logged in, this login included (`event.stats.logins_count`).
    pub fn logins_count(&self) -> u64 {
        read!(event_stats::logins_count(), |login| login.event().stats.logins_count)
    }

    /// The id of the tenant that this Action belongs to (`event.tenant.id`).
    pub fn tenant_id(&self) -> String {
        read!(event_tenant::id(), |login| login.event().tenant.id.to_string())
    }

    /// The secret of this Action with this name (`event.secrets.NAME`).
    pub fn secret(&self, name: &str) -> Option<String> {
        #[cfg(target_arch = "wasm32")]
        return crate::bindings::vestibule::actions::secrets::get(name);
        #[cfg(not(target_arch = "wasm32"))]
        crate::native::with(|run| run.secrets.get(name).map(|secret| secret.expose().to_owned()))
    }

    /// The configuration of this Action's binding with this name (`event.configuration.NAME`).
    pub fn configuration(&self, name: &str) -> Option<String> {
        #[cfg(target_arch = "wasm32")]
        return crate::bindings::vestibule::actions::configuration::get(name);
        #[cfg(not(target_arch = "wasm32"))]
        crate::native::with(|run| run.configuration.get(name).map(|value| value.expose().to_owned()))
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn objects(objects: &[vestibule_model::json::Object]) -> Vec<serde_json::Value> {
    objects.iter().cloned().map(serde_json::Value::Object).collect()
}
