//! `event-user`: the user who logs in.

use serde::Deserialize;
use serde_json::Value;

use super::parts::or_default;
use crate::json::Object;
use crate::{Timestamp, UserId};

/// An e-mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailAddress {
    /// The address.
    pub address: String,
    /// Whether it has been verified.
    pub verified: bool,
}

/// A phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneNumber {
    /// The number.
    pub number: String,
    /// Whether it has been verified, where the platform says so.
    pub verified: Option<bool>,
}

/// What the user is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileNames {
    /// The full name.
    pub name: Option<String>,
    /// The given name.
    pub given_name: Option<String>,
    /// The family name.
    pub family_name: Option<String>,
    /// The nickname.
    pub nickname: Option<String>,
    /// The name to log in with.
    pub username: Option<String>,
}

/// An account at a connection that belongs to this user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The connection's name.
    pub connection: String,
    /// The provider's name.
    pub provider: String,
    /// The user's id at the provider.
    pub user_id: String,
    /// Whether the provider is a social one.
    pub is_social: bool,
}

/// What an identity's provider has told about the user.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentityProfile {
    /// The connection's name.
    pub connection: String,
    /// The user's id at the provider.
    pub user_id: String,
    /// A JSON object.
    pub profile_data: Value,
}

/// A second factor that the user has set up.
#[derive(Clone, Debug, PartialEq)]
pub struct EnrolledFactor {
    /// The factor's type.
    pub kind: String,
    /// The factor's method.
    pub method: Option<String>,
    /// A JSON object.
    pub options: Option<Value>,
}

/// The user who logs in.
#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an object")]
pub struct User {
    /// `event-user.id`.
    #[serde(rename = "user_id")]
    pub id: UserId,
    /// `event-user.picture`.
    pub picture: Option<String>,
    /// `event-user.created-at`.
    pub created_at: Timestamp,
    /// `event-user.updated-at`.
    pub updated_at: Timestamp,
    /// `event-user.last-password-reset`.
    pub last_password_reset: Option<Timestamp>,
    /// `event-user.multifactor`.
    #[serde(default, deserialize_with = "or_default")]
    pub multifactor: Vec<String>,
    /// The user's metadata before the flow; with its changes it is [`crate::Login::user_metadata`].
    #[serde(default, deserialize_with = "or_default")]
    pub user_metadata: Object,
    /// The tenant's metadata before the flow; with its changes it is
    /// [`crate::Login::app_metadata`].
    #[serde(default, deserialize_with = "or_default")]
    pub app_metadata: Object,
    email: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    email_verified: bool,
    phone_number: Option<String>,
    phone_verified: Option<bool>,
    name: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    nickname: Option<String>,
    username: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    identities: Vec<IdentityInEvent>,
    #[serde(default, deserialize_with = "or_default", rename = "enrolledFactors")]
    enrolled_factors: Vec<FactorInEvent>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an object")]
struct IdentityInEvent {
    connection: String,
    provider: String,
    user_id: String,
    #[serde(default, deserialize_with = "or_default", rename = "isSocial")]
    is_social: bool,
    #[serde(default, rename = "profileData")]
    profile_data: Option<Object>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an object")]
struct FactorInEvent {
    #[serde(rename = "type")]
    kind: String,
    method: Option<String>,
    options: Option<Object>,
}

impl User {
    /// `event-user.email`.
    pub fn email(&self) -> Option<EmailAddress> {
        let address = self.email.clone()?;
        Some(EmailAddress { address, verified: self.email_verified })
    }

    /// `event-user.phone`.
    pub fn phone(&self) -> Option<PhoneNumber> {
        let number = self.phone_number.clone()?;
        Some(PhoneNumber { number, verified: self.phone_verified })
    }

    /// `event-user.names`.
    pub fn names(&self) -> ProfileNames {
        ProfileNames {
            name: self.name.clone(),
            given_name: self.given_name.clone(),
            family_name: self.family_name.clone(),
            nickname: self.nickname.clone(),
            username: self.username.clone(),
        }
    }

    /// `event-user.identities`.
    pub fn identities(&self) -> impl Iterator<Item = Identity> {
        self.identities.iter().map(|identity| Identity {
            connection: identity.connection.clone(),
            provider: identity.provider.clone(),
            user_id: identity.user_id.clone(),
            is_social: identity.is_social,
        })
    }

    /// `event-user.identity-profiles`.
    pub fn identity_profiles(&self) -> impl Iterator<Item = IdentityProfile> {
        self.identities.iter().filter_map(|identity| {
            Some(IdentityProfile {
                connection: identity.connection.clone(),
                user_id: identity.user_id.clone(),
                profile_data: Value::Object(identity.profile_data.clone()?),
            })
        })
    }

    /// `event-user.enrolled-factors`.
    pub fn enrolled_factors(&self) -> impl Iterator<Item = EnrolledFactor> {
        self.enrolled_factors.iter().map(|factor| EnrolledFactor {
            kind: factor.kind.clone(),
            method: factor.method.clone(),
            options: factor.options.clone().map(Value::Object),
        })
    }
}
