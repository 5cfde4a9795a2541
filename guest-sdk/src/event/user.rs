//! `event.user`: the user who logs in.

use serde_json::Value;
use vestibule_model::Timestamp;
use vestibule_model::event::{EmailAddress, EnrolledFactor, Identity, IdentityProfile, PhoneNumber, ProfileNames};

use crate::door::read;

/// The user who logs in.
#[derive(Clone, Copy, Debug)]
pub struct User(pub(super) ());

impl User {
    /// The user's id, unique in the tenant.
    pub fn id(&self) -> String {
        read!(event_user::id(), |login| login.event().user.id.to_string())
    }

    /// The e-mail address, and whether it has been verified.
    pub fn email(&self) -> Option<EmailAddress> {
        read!(event_user::email(), |login| login.event().user.email())
    }

    /// The phone number, and whether it has been verified.
    pub fn phone(&self) -> Option<PhoneNumber> {
        read!(event_user::phone(), |login| login.event().user.phone())
    }

    /// What the user is called.
    pub fn names(&self) -> ProfileNames {
        read!(event_user::names(), |login| login.event().user.names())
    }

    /// The URL of the user's picture.
    pub fn picture(&self) -> Option<String> {
        read!(event_user::picture(), |login| login.event().user.picture.clone())
    }

    /// When the user was created.
    pub fn created_at(&self) -> Timestamp {
        read!(event_user::created_at(), |login| login.event().user.created_at)
    }

    /// When the user was last changed.
    pub fn updated_at(&self) -> Timestamp {
        read!(event_user::updated_at(), |login| login.event().user.updated_at)
    }

    /// When the user's password was last reset.
    pub fn last_password_reset(&self) -> Option<Timestamp> {
        read!(event_user::last_password_reset(), |login| login.event().user.last_password_reset)
    }

    /// What the user may change about themselves, a JSON object; with what this flow has set so
    /// far.
    pub fn user_metadata(&self) -> Value {
        read!(event_user::user_metadata(), |login| Value::Object(login.user_metadata()))
    }

    /// What only the tenant may change, a JSON object; with what this flow has set so far.
    pub fn app_metadata(&self) -> Value {
        read!(event_user::app_metadata(), |login| Value::Object(login.app_metadata()))
    }

    /// The user's accounts at the tenant's connections.
    pub fn identities(&self) -> Vec<Identity> {
        read!(event_user::identities(), |login| login.event().user.identities().collect())
    }

    /// What the providers of the user's identities have told about them.
    pub fn identity_profiles(&self) -> Vec<IdentityProfile> {
        read!(event_user::identity_profiles(), |login| login.event().user.identity_profiles().collect())
    }

    /// The second factors that the user has set up.
    pub fn enrolled_factors(&self) -> Vec<EnrolledFactor> {
        read!(event_user::enrolled_factors(), |login| login.event().user.enrolled_factors().collect())
    }

    /// The names of the providers of multi-factor authentication that the user uses.
    pub fn multifactor(&self) -> Vec<String> {
        read!(event_user::multifactor(), |login| login.event().user.multifactor.clone())
    }
}
