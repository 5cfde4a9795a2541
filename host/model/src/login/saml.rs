//! `saml-response`: what the response that answers a SAML login is made of.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{Login, limits};
use crate::Secret;
use crate::error::{LimitExceeded, SamlError, ValueTooLong};
use crate::json::{Object, ObjectChanges};
use crate::metadata::at_most;

/// A text of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SamlText {
    /// `set-audience`.
    Audience,
    /// `set-recipient`.
    Recipient,
    /// `set-destination`.
    Destination,
    /// `set-issuer`.
    Issuer,
    /// `set-relay-state`.
    RelayState,
    /// `set-name-identifier-format`.
    NameIdentifierFormat,
    /// `set-authn-context-class-ref`.
    AuthnContextClassRef,
}

/// A certificate or a public key of the response, in PEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SamlCertificate {
    /// `set-signing-cert`.
    SigningCert,
    /// `set-encryption-cert`.
    EncryptionCert,
    /// `set-encryption-public-key`.
    EncryptionPublicKey,
    /// `set-cert`.
    Cert,
}

/// A choice about the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SamlFlag {
    /// `set-create-upn-claim`.
    CreateUpnClaim,
    /// `set-passthrough-claims-with-no-mapping`.
    PassthroughClaimsWithNoMapping,
    /// `set-map-unknown-claims-as-is`.
    MapUnknownClaimsAsIs,
    /// `set-map-identities`.
    MapIdentities,
    /// `set-sign-response`.
    SignResponse,
    /// `set-include-attribute-name-format`.
    IncludeAttributeNameFormat,
    /// `set-typed-attributes`.
    TypedAttributes,
}

/// The algorithm of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureAlgorithm {
    /// RSA with SHA-256.
    RsaSha256,
    /// RSA with SHA-1, which is broken: for partners that know nothing else.
    RsaSha1,
}

/// The algorithm of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-1, which is broken: for partners that know nothing else.
    Sha1,
}

/// The algorithm that an assertion is encrypted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncryptionAlgorithm {
    /// AES-256 in Galois/counter mode.
    Aes256Gcm,
    /// AES-256 in cipher block chaining, which is deprecated.
    Aes256Cbc,
}

/// What was asked for of the response, but for its attributes. In JSON each stands under its own
/// name: `audience`, `sign_response`, …
#[derive(Clone, Debug, Default, Serialize)]
pub struct SamlResponse {
    /// Texts.
    #[serde(flatten)]
    pub texts: BTreeMap<SamlText, String>,
    /// Certificates and public keys, in PEM.
    #[serde(flatten)]
    pub certificates: BTreeMap<SamlCertificate, String>,
    /// The private key, in PEM. In JSON it is `"(secret)"`.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// Choices.
    #[serde(flatten)]
    pub flags: BTreeMap<SamlFlag, bool>,
    /// The attributes that the subject's `NameID` is looked for in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_identifier_probes: Option<Vec<String>>,
    /// How long the assertion is valid, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_in_seconds: Option<u32>,
    /// The algorithm of the signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The algorithm of the digest that is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_algorithm: Option<DigestAlgorithm>,
    /// The algorithm that the assertion is encrypted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_algorithm: Option<EncryptionAlgorithm>,
}

fn hidden<S: Serializer>(_: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("(secret)")
}

#[derive(Clone, Debug, Default)]
pub(crate) struct SamlChanges {
    pub(crate) attributes: ObjectChanges,
    /// None until something is asked for: most logins never do.
    pub(crate) response: Option<Box<SamlResponse>>,
}

/// The name of what a value is of, as an error says it.
fn name_of(what: impl Serialize) -> String {
    serde_json::to_value(what).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

fn short_enough(what: impl Serialize, limit: u32, value: &str) -> Result<(), SamlError> {
    let too_long = |LimitExceeded { given, limit }| SamlError::ValueTooLong(ValueTooLong { key: name_of(what), given, limit });
    at_most(limit, value).map_err(too_long)
}

impl Login {
    fn saml_response(&mut self) -> &mut SamlResponse {
        self.changes.saml.response.get_or_insert_default()
    }

    /// `saml-response.set-attribute`: an attribute of the assertion; the value is JSON text, and
    /// `null` leaves it out.
    ///
    /// # Errors
    /// When the name is empty or too long, the value is no JSON, or all attributes would be too
    /// large.
    pub fn set_saml_attribute(&mut self, name: &str, json: &str) -> Result<(), SamlError> {
        if name.is_empty() {
            return Err(SamlError::EmptyName);
        }
        short_enough("attribute", limits::CLAIM_NAME_CHARACTERS, name)?;
        let value: Value = serde_json::from_str(json).map_err(|error| SamlError::InvalidJson(error.to_string()))?;
        let value = if value.is_null() { None } else { Some(value) };
        let (limit, by) = (limits::CLAIM_BYTES, self.action.clone());
        let set = self.changes.saml.attributes.set(&Object::new(), name, value, limit, by);
        set.map_err(|given| SamlError::TooLarge(LimitExceeded { given, limit }))
    }

    /// Sets a text of the response.
    ///
    /// # Errors
    /// When it has more than 4,096 characters.
    pub fn set_saml_text(&mut self, text: SamlText, value: &str) -> Result<(), SamlError> {
        short_enough(text, limits::SAML_TEXT_CHARACTERS, value)?;
        self.saml_response().texts.insert(text, value.to_owned());
        Ok(())
    }

    /// Sets a certificate or a public key of the response.
    ///
    /// # Errors
    /// When it has more than 16,384 characters.
    pub fn set_saml_certificate(&mut self, certificate: SamlCertificate, pem: &str) -> Result<(), SamlError> {
        short_enough(certificate, limits::SAML_PEM_CHARACTERS, pem)?;
        self.saml_response().certificates.insert(certificate, pem.to_owned());
        Ok(())
    }

    /// `saml-response.set-key`: the private key that signs.
    ///
    /// # Errors
    /// When it has more than 16,384 characters.
    pub fn set_saml_key(&mut self, pem: &str) -> Result<(), SamlError> {
        short_enough("key", limits::SAML_PEM_CHARACTERS, pem)?;
        self.saml_response().key = Some(Secret::new(pem.to_owned()));
        Ok(())
    }

    /// `saml-response.set-name-identifier-probes`: the attributes that the subject's `NameID` is
    /// looked for in.
    ///
    /// # Errors
    /// When all names together have more than 4,096 characters.
    pub fn set_saml_name_identifier_probes(&mut self, attributes: Vec<String>) -> Result<(), SamlError> {
        short_enough("name_identifier_probes", limits::SAML_TEXT_CHARACTERS, &attributes.concat())?;
        self.saml_response().name_identifier_probes = Some(attributes);
        Ok(())
    }

    /// Sets a choice about the response.
    pub fn set_saml_flag(&mut self, flag: SamlFlag, value: bool) {
        self.saml_response().flags.insert(flag, value);
    }

    /// `saml-response.set-lifetime-in-seconds`.
    pub fn set_saml_lifetime_in_seconds(&mut self, seconds: u32) {
        self.saml_response().lifetime_in_seconds = Some(seconds);
    }

    /// `saml-response.set-signature-algorithm`.
    pub fn set_saml_signature_algorithm(&mut self, algorithm: SignatureAlgorithm) {
        self.saml_response().signature_algorithm = Some(algorithm);
    }

    /// `saml-response.set-digest-algorithm`.
    pub fn set_saml_digest_algorithm(&mut self, algorithm: DigestAlgorithm) {
        self.saml_response().digest_algorithm = Some(algorithm);
    }

    /// `saml-response.set-encryption-algorithm`.
    pub fn set_saml_encryption_algorithm(&mut self, algorithm: EncryptionAlgorithm) {
        self.saml_response().encryption_algorithm = Some(algorithm);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::login;
    use super::*;

    #[test]
    fn the_last_call_counts_and_each_stands_under_its_own_name() {
        let mut login = login();
        login.set_saml_text(SamlText::Audience, "first").unwrap();
        login.set_saml_text(SamlText::Audience, "urn:partner").unwrap();
        login.set_saml_flag(SamlFlag::SignResponse, true);
        login.set_saml_digest_algorithm(DigestAlgorithm::Sha256);
        let json = serde_json::to_value(login.changes().saml.response.as_ref().unwrap()).unwrap();
        let expected = serde_json::json!({ "audience": "urn:partner", "sign_response": true, "digest_algorithm": "sha256" });
        assert_eq!(json, expected);
    }

    #[test]
    fn a_private_key_is_never_shown() {
        let mut login = login();
        login.set_saml_key("-----BEGIN PRIVATE KEY-----").unwrap();
        let response = login.changes().saml.response.as_ref().unwrap();
        assert!(!serde_json::to_string(response).unwrap().contains("BEGIN"));
        assert!(!format!("{response:?}").contains("BEGIN"));
        assert_eq!(response.key.as_ref().map(Secret::expose), Some("-----BEGIN PRIVATE KEY-----"));
    }

    #[test]
    fn sizes_are_limited_and_an_error_says_of_what() {
        let mut login = login();
        let refused = login.set_saml_text(SamlText::RelayState, &"x".repeat(4_097)).unwrap_err();
        assert_eq!(refused.to_string(), "the relay_state of the SAML response has 4097 characters, at most 4096 are allowed");
        assert!(login.set_saml_certificate(SamlCertificate::Cert, &"x".repeat(16_385)).is_err());
        assert!(login.set_saml_key(&"x".repeat(16_385)).is_err());
        assert!(login.set_saml_name_identifier_probes(vec!["x".repeat(2_049); 2]).is_err());
        assert_eq!(login.set_saml_attribute("", "1"), Err(SamlError::EmptyName));
        assert!(matches!(login.set_saml_attribute("a", "{"), Err(SamlError::InvalidJson(_))));
        let large = serde_json::to_string(&"x".repeat(100_000)).unwrap();
        assert!(matches!(login.set_saml_attribute("a", &large), Err(SamlError::TooLarge(_))));
        assert!(login.changes().saml.response.is_none());
    }
}
