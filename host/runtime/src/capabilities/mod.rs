//! The host's side of the contract: one file for each interface, all of one shape. A function
//! counts its call, asks the login, and converts; every rule is in [`vestibule_model::Login`].
//!
//! A new interface takes a file here, and its lines in [`phrases`](crate::contract::phrases).

mod access;
mod access_token;
mod cache;
mod configuration;
mod event_authentication;
mod event_authorization;
mod event_client;
mod event_connection;
mod event_custom_domain;
mod event_organization;
mod event_prompt;
mod event_refresh_token;
mod event_request;
mod event_resource_server;
mod event_security_context;
mod event_session;
mod event_stats;
mod event_tenant;
mod event_transaction;
mod event_user;
mod groups;
mod id_token;
mod log;
mod multifactor;
mod refresh_token;
mod roles;
mod saml_response;
mod secrets;
mod session;
mod transaction;
mod user;
mod validation;

use vestibule_model::json::Object;
use wasmtime::component::{HasSelf, Linker};

use crate::contract::bindings::PostLogin;
use crate::sandbox::Sandbox;

/// Links all of the contract. What a component doesn't import costs it nothing.
pub(crate) fn add_to_linker(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    PostLogin::add_to_linker::<_, HasSelf<_>>(linker, |sandbox| sandbox)
}

/// A JSON object as it crosses the contract: as text.
fn text(object: &Object) -> String {
    // Only a map with keys that are no strings can't be written, and this one has strings.
    serde_json::to_string(object).unwrap_or_default()
}

fn texts(objects: &[Object]) -> Vec<String> {
    objects.iter().map(text).collect()
}

impl crate::contract::bindings::vestibule::actions::types::Host for Sandbox {}
