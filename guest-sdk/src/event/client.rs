//! `event.client`, and the small groups beside it.

use serde_json::Value;
use vestibule_model::StringMap;
use vestibule_model::event::{Method, RiskAssessment};

use crate::door::read;

/// The application that the user logs in to.
#[derive(Clone, Copy, Debug)]
pub struct Client(pub(super) ());

impl Client {
    /// The client's id.
    pub fn id(&self) -> String {
        read!(event_client::id(), |login| login.event().client.id.clone())
    }

    /// The client's name.
    pub fn name(&self) -> String {
        read!(event_client::name(), |login| login.event().client.name.clone())
    }

    /// The client's metadata.
    pub fn metadata(&self) -> StringMap {
        read!(event_client::metadata(), |login| login.event().client.metadata.clone())
    }

    /// The policies of the client's refresh tokens, JSON objects.
    pub fn refresh_token_policies(&self) -> Vec<Value> {
        read!(event_client::refresh_token_policies(), |login| super::objects(login.event().client.refresh_token_policies()))
    }
}

/// How the user has proved who they are.
#[derive(Clone, Copy, Debug)]
pub struct Authentication(pub(super) ());

impl Authentication {
    /// The methods that the user has used in this session, oldest first.
    pub fn methods(&self) -> Vec<Method> {
        read!(event_authentication::methods(), |login| login.event().authentication.methods.clone())
    }

    /// How far the platform trusts this login.
    pub fn risk(&self) -> Option<RiskAssessment> {
        read!(event_authentication::risk(), |login| login.event().authentication.risk())
    }
}

/// The form that the user has filled in. Where there was none, all of it is empty.
#[derive(Clone, Copy, Debug)]
pub struct Prompt(pub(super) ());

impl Prompt {
    /// The prompt's id.
    pub fn id(&self) -> Option<String> {
        read!(event_prompt::id(), |login| login.event().prompt.id.clone())
    }

    /// What the user has filled in, a JSON object.
    pub fn fields(&self) -> Value {
        read!(event_prompt::fields(), |login| Value::Object(login.event().prompt.fields.clone()))
    }

    /// What the flow behind the form has worked out, a JSON object.
    pub fn vars(&self) -> Value {
        read!(event_prompt::vars(), |login| Value::Object(login.event().prompt.vars.clone()))
    }
}

/// Fingerprints of the connection.
#[derive(Clone, Copy, Debug)]
pub struct SecurityContext(pub(super) ());

impl SecurityContext {
    /// The JA3 fingerprint.
    pub fn ja3(&self) -> Option<String> {
        read!(event_security_context::ja3(), |login| login.event().security_context.ja3.clone())
    }

    /// The JA4 fingerprint.
    pub fn ja4(&self) -> Option<String> {
        read!(event_security_context::ja4(), |login| login.event().security_context.ja4.clone())
    }
}
