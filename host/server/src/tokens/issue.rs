//! Issuing: the client credentials grant (RFC 6749, section 4.4), as Auth0's `POST /oauth/token`
//! has it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use vestibule::model::Timestamp;

use crate::config::Scope;
use crate::keys::SigningKey;

/// How long a token lives.
pub(crate) struct Lifetime;

impl Lifetime {
    /// Auth0's for the Management API.
    pub(crate) const OF_A_TOKEN: Duration = Duration::from_secs(86_400);
}

/// The claims of an access token.
#[derive(Debug, Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: String,
    aud: &'a str,
    iat: u64,
    exp: u64,
    scope: String,
    azp: &'a str,
    gty: &'static str,
    jti: String,
}

/// A token that was issued.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) token: String,
    /// What it is good for, as text.
    pub(crate) scope: String,
}

/// Signs a token for a client.
///
/// # Errors
/// When the key can't sign.
pub(crate) fn issue(
    key: &SigningKey,
    issuer: &str,
    audience: &str,
    client: &str,
    scopes: &BTreeSet<Scope>,
    now: Timestamp,
) -> Result<Granted, jsonwebtoken::errors::Error> {
    let scope = scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ");
    let iat = now.as_millis() / 1_000;
    let claims = Claims {
        iss: issuer,
        sub: format!("{client}@clients"),
        aud: audience,
        iat,
        exp: iat + Lifetime::OF_A_TOKEN.as_secs(),
        scope: scope.clone(),
        azp: client,
        gty: "client-credentials",
        jti: crate::request::random_id(),
    };
    Ok(Granted { token: jsonwebtoken::encode(&key.header(), &claims, &key.signing)?, scope })
}
