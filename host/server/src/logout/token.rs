//! The logout token (OpenID Connect Back-Channel Logout 1.0, section 2.4).

use std::collections::BTreeMap;
use std::time::Duration;

use jsonwebtoken::Header;
use serde::Serialize;
use vestibule::model::{Metadata, Timestamp};

use crate::keys::SigningKey;

/// How long a logout token lives: the specification recommends two minutes at most, and each
/// attempt signs a new one.
const LIFETIME: Duration = Duration::from_secs(120);

/// The member of `events` that says what kind of token it is.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What the kind of token is called in its header (section 2.4, recommended against confusion with
/// other tokens: RFC 8725, section 3.11).
const TYPE: &str = "logout+jwt";

/// What a logout token says.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogoutToken<'a> {
    /// The issuer, as the application's ID tokens have it.
    pub(super) issuer: &'a str,
    /// The application.
    pub(super) client_id: &'a str,
    pub(super) user: &'a str,
    /// The session, as the application's ID tokens have it in `sid`.
    pub(super) session: &'a str,
    /// Of this attempt, and of no other: a receiver may refuse a `jti` that it has seen (section
    /// 2.6), even where its answer was lost.
    pub(super) id: &'a str,
    /// The same for all attempts of one delivery, so that an application can drop repeats.
    pub(super) delivery: &'a str,
    /// The session's metadata when it ended, where the application asks for it.
    pub(super) metadata: Option<&'a Metadata>,
}

/// The claims. There is no `nonce`: the specification forbids it, so that no logout token can be
/// taken for an ID token.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    sid: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
    delivery_id: &'a str,
    events: BTreeMap<&'static str, Empty>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_metadata: Option<&'a Metadata>,
}

#[derive(Serialize)]
struct Empty {}

impl LogoutToken<'_> {
    /// Signs it for one attempt.
    ///
    /// # Errors
    /// When the key can't sign.
    pub(super) fn sign(self, key: &SigningKey, now: Timestamp) -> Result<String, jsonwebtoken::errors::Error> {
        let iat = now.as_millis() / 1_000;
        let claims = Claims {
            iss: self.issuer,
            aud: self.client_id,
            sub: self.user,
            sid: self.session,
            iat,
            exp: iat + LIFETIME.as_secs(),
            jti: self.id,
            delivery_id: self.delivery,
            events: BTreeMap::from([(EVENT, Empty {})]),
            session_metadata: self.metadata,
        };
        let header = Header { typ: Some(TYPE.to_owned()), ..key.header() };
        jsonwebtoken::encode(&header, &claims, &key.signing)
    }
}
