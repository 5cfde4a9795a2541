//! A stream to a URL, as Standard Webhooks 1.0.0 has it: who receives it can tell that it comes
//! from here, and drop repeats.

use std::fmt;
use std::str::FromStr;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::body::Bytes;
use serde_json::Value;
use sha2::Sha256;
use thiserror::Error;
use vestibule::http::Connector;
use vestibule::model::{TenantId, Timestamp};
use zeroize::Zeroizing;

use super::batch::Batch;
use super::stream::Unsent;
use crate::post::{Connection, Message, Place, post};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What signs a webhook's messages.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SigningSecret(Zeroizing<Vec<u8>>);

/// A text that is no such secret. It never shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "it is no secret of Standard Webhooks: `whsec_` and the base64 of 24 to 64 random bytes; make one with `echo whsec_$(openssl rand -base64 32)`"
)]
pub(crate) struct SigningSecretError;

impl FromStr for SigningSecret {
    type Err = SigningSecretError;

    fn from_str(text: &str) -> Result<Self, SigningSecretError> {
        let encoded = text.strip_prefix("whsec_").ok_or(SigningSecretError)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| SigningSecretError)?);
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(SigningSecretError) }
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret")
    }
}

impl SigningSecret {
    fn sign(&self, id: &str, seconds: &str, body: &[u8]) -> Result<String, String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(|error| error.to_string())?;
        for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
            mac.update(part);
        }
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

/// A URL that entries are sent to, over one connection for as long as it lasts.
pub(super) struct Webhook {
    receiver: String,
    path: String,
    /// Each signs: a receiver that knows one of them is content.
    secrets: Vec<SigningSecret>,
    open: Option<Connection>,
}

impl Webhook {
    pub(super) fn new(receiver: &str, path: &str, secrets: Vec<SigningSecret>) -> Self {
        Self { receiver: receiver.to_owned(), path: path.to_owned(), secrets, open: None }
    }

    /// One attempt.
    pub(super) async fn send(&mut self, connector: &Connector, tenant: &TenantId, batch: &Batch) -> Result<(), Unsent> {
        let unsent = |reason: String| Unsent { reason, asked: None };
        let body = Bytes::from(body(tenant, batch));
        // Signed anew for each attempt: receivers refuse what is minutes old.
        let seconds = (Timestamp::now().as_millis() / 1_000).to_string();
        let signatures = self.secrets.iter().map(|secret| secret.sign(&batch.id, &seconds, &body));
        let signature = signatures.collect::<Result<Vec<_>, _>>().map_err(unsent)?.join(" ");
        let text = |text: &str| HeaderValue::from_str(text).map_err(|error| unsent(error.to_string()));
        let headers =
            [(CONTENT_TYPE, JSON), (ID, text(&batch.id)?), (TIMESTAMP, text(&seconds)?), (SIGNATURE, text(&signature)?)];
        let place = Place::of(&self.receiver).map_err(|error| unsent(error.to_string()))?;
        let message = Message { path: &self.path, headers: &headers, body: &body };
        match post(connector, tenant, &mut self.open, &place, message).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(Unsent { reason: format!("it answers {}", answer.status.as_u16()), asked: answer.retry_after }),
            Err(error) => Err(unsent(error.to_string())),
        }
    }
}

/// The same for the same entries, whoever sends them.
fn body(tenant: &TenantId, batch: &Batch) -> String {
    // The entries are JSON already.
    let (tenant, logs) = (Value::from(tenant.as_str()), batch.lines.join(","));
    format!(r#"{{"type":"tenant.logs","timestamp":"{}","data":{{"tenant":{tenant},"logs":[{logs}]}}}}"#, batch.latest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_the_published_libraries_make_of_it() {
        let secret: SigningSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature.as_deref(), Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn a_secret_has_its_prefix_and_24_to_64_bytes_and_is_never_shown() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes])).parse::<SigningSecret>();
        assert!(of(24).is_ok() && of(64).is_ok());
        for wrong in [of(23), of(65), STANDARD.encode([7; 32]).parse(), "whsec_no base64".parse(), "".parse()] {
            assert_eq!(wrong, Err(SigningSecretError));
        }
        assert_eq!(format!("{:?}", of(24).unwrap()), "SigningSecret");
    }
}
