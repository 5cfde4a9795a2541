//! `api.saml_response`: what the response that answers a SAML login is made of. A login of another
//! protocol has none, and leaves it out.

use serde::Serialize;
use vestibule_model::{DigestAlgorithm, EncryptionAlgorithm, SamlError, SignatureAlgorithm};
#[cfg(not(target_arch = "wasm32"))]
use vestibule_model::{SamlCertificate, SamlFlag, SamlText};

use super::json;
use crate::door::{ask, effect};

/// What the response that answers a SAML login is made of. The last call of each counts.
#[derive(Clone, Copy, Debug)]
pub struct SamlResponse(pub(super) ());

impl SamlResponse {
    /// Sets an attribute of the assertion, to anything that serde writes as JSON; `null` leaves it
    /// out.
    ///
    /// # Errors
    /// When the name is empty or longer than 255 characters, or all attributes would take more than
    /// 100,000 bytes.
    pub fn set_attribute(&self, name: &str, value: impl Serialize) -> Result<(), SamlError> {
        let value = json(&value).map_err(SamlError::InvalidJson)?;
        effect!(saml_response::set_attribute(name, &value), |login| login.set_saml_attribute(name, &value))
    }

    /// The audience of the assertion.
    ///
    /// # Errors
    /// When it has more than 4,096 characters.
    pub fn set_audience(&self, value: &str) -> Result<(), SamlError> {
        effect!(saml_response::set_audience(value), |login| login.set_saml_text(SamlText::Audience, value))
    }

    /// The recipient of the assertion (`SubjectConfirmationData`).
    ///
    /// # Errors
    /// When it has more than 4,096 characters.
    pub fn set_recipient(&self, value: &str) -> Result<(), SamlError> {
        effect!(saml_response::set_recipient(value), |login| login.set_saml_text(SamlText::Recipient, value))
    }

    /// The destination of the response.
    ///
    /// # Errors
    /// When it has more than 4,096 characters.
    pub fn set_destination(&self, value: &str) -> Result<(), SamlError> {
        effect!(saml_response::set_destination(value), |login| login.set_saml_text(SamlText::Destination, value))
    }

    /// The issuer of the assertion.
    ///
    /// # Errors
    /// When it has more than 4,096 characters.
    pub fn set_issuer(&self, value: &str) -> Result<(), SamlError> {
        effect!(saml_response::set_issuer(value), |login| login.set_saml_text(SamlText::Issuer, value))
    }

    /// The relay state that the service provider gets back.
    ///
    /// # Errors
    /// When it has more than 4,096 characters.
    pub fn set_relay_state(&self, value: &str) -> Result<(), SamlError> {
        effect!(saml_response::set_relay_state(value), |login| login.set_saml_text(SamlText::RelayState, value))
    }

    /// The format of the subject's `NameID`.
    ///
    /// # Errors
    /// When it has more than 4,096 characters.
    pub fn set_name_identifier_format(&self, value: &str) -> Result<(), SamlError> {
        effect!(saml_response::set_name_identifier_format(value), |login| login
            .set_saml_text(SamlText::NameIdentifierFormat, value))
    }

    /// The class of authentication that the assertion tells.
    ///
    /// # Errors
    /// When it has more than 4,096 characters.
    pub fn set_authn_context_class_ref(&self, value: &str) -> Result<(), SamlError> {
        effect!(saml_response::set_authn_context_class_ref(value), |login| login
            .set_saml_text(SamlText::AuthnContextClassRef, value))
    }

    /// The attributes that the subject's `NameID` is looked for in, in this order.
    ///
    /// # Errors
    /// When all names together have more than 4,096 characters.
    pub fn set_name_identifier_probes(&self, attributes: &[&str]) -> Result<(), SamlError> {
        let attributes: Vec<String> = attributes.iter().map(|name| (*name).to_owned()).collect();
        effect!(saml_response::set_name_identifier_probes(&attributes), |login| login.set_saml_name_identifier_probes(attributes))
    }

    /// The certificate, in PEM, that requests have to be signed with.
    ///
    /// # Errors
    /// When it has more than 16,384 characters.
    pub fn set_signing_cert(&self, pem: &str) -> Result<(), SamlError> {
        effect!(saml_response::set_signing_cert(pem), |login| login.set_saml_certificate(SamlCertificate::SigningCert, pem))
    }

    /// The certificate, in PEM, that the assertion is encrypted with.
    ///
    /// # Errors
    /// When it has more than 16,384 characters.
    pub fn set_encryption_cert(&self, pem: &str) -> Result<(), SamlError> {
        effect!(saml_response::set_encryption_cert(pem), |login| login.set_saml_certificate(SamlCertificate::EncryptionCert, pem))
    }

    /// The public key, in PEM, that the assertion is encrypted with.
    ///
    /// # Errors
    /// When it has more than 16,384 characters.
    pub fn set_encryption_public_key(&self, pem: &str) -> Result<(), SamlError> {
        effect!(saml_response::set_encryption_public_key(pem), |login| login
            .set_saml_certificate(SamlCertificate::EncryptionPublicKey, pem))
    }

    /// The certificate, in PEM, of the key that signs.
    ///
    /// # Errors
    /// When it has more than 16,384 characters.
    pub fn set_cert(&self, pem: &str) -> Result<(), SamlError> {
        effect!(saml_response::set_cert(pem), |login| login.set_saml_certificate(SamlCertificate::Cert, pem))
    }

    /// The private key, in PEM, that signs. Keep it among the Action's secrets; no log and no
    /// report shows it.
    ///
    /// # Errors
    /// When it has more than 16,384 characters.
    pub fn set_key(&self, pem: &str) -> Result<(), SamlError> {
        effect!(saml_response::set_key(pem), |login| login.set_saml_key(pem))
    }

    /// Whether a UPN claim is made.
    pub fn set_create_upn_claim(&self, value: bool) {
        ask!(saml_response::set_create_upn_claim(value), |login| login.set_saml_flag(SamlFlag::CreateUpnClaim, value));
    }

    /// Whether claims that aren't mapped to the common profile are included.
    pub fn set_passthrough_claims_with_no_mapping(&self, value: bool) {
        ask!(saml_response::set_passthrough_claims_with_no_mapping(value), |login| login
            .set_saml_flag(SamlFlag::PassthroughClaimsWithNoMapping, value));
    }

    /// Whether such claims keep their names.
    pub fn set_map_unknown_claims_as_is(&self, value: bool) {
        ask!(saml_response::set_map_unknown_claims_as_is(value), |login| login
            .set_saml_flag(SamlFlag::MapUnknownClaimsAsIs, value));
    }

    /// Whether the user's identities are included.
    pub fn set_map_identities(&self, value: bool) {
        ask!(saml_response::set_map_identities(value), |login| login.set_saml_flag(SamlFlag::MapIdentities, value));
    }

    /// Whether the response is signed instead of the assertion.
    pub fn set_sign_response(&self, value: bool) {
        ask!(saml_response::set_sign_response(value), |login| login.set_saml_flag(SamlFlag::SignResponse, value));
    }

    /// Whether attributes tell the format of their names.
    pub fn set_include_attribute_name_format(&self, value: bool) {
        ask!(saml_response::set_include_attribute_name_format(value), |login| login
            .set_saml_flag(SamlFlag::IncludeAttributeNameFormat, value));
    }

    /// Whether attributes tell the types of their values.
    pub fn set_typed_attributes(&self, value: bool) {
        ask!(saml_response::set_typed_attributes(value), |login| login.set_saml_flag(SamlFlag::TypedAttributes, value));
    }

    /// How long the assertion is valid.
    pub fn set_lifetime_in_seconds(&self, seconds: u32) {
        ask!(saml_response::set_lifetime_in_seconds(seconds), |login| login.set_saml_lifetime_in_seconds(seconds));
    }

    /// The algorithm of the signature.
    pub fn set_signature_algorithm(&self, algorithm: SignatureAlgorithm) {
        ask!(saml_response::set_signature_algorithm(algorithm.cross()), |login| login.set_saml_signature_algorithm(algorithm));
    }

    /// The algorithm of the digest that is signed.
    pub fn set_digest_algorithm(&self, algorithm: DigestAlgorithm) {
        ask!(saml_response::set_digest_algorithm(algorithm.cross()), |login| login.set_saml_digest_algorithm(algorithm));
    }

    /// The algorithm that the assertion is encrypted with.
    pub fn set_encryption_algorithm(&self, algorithm: EncryptionAlgorithm) {
        ask!(saml_response::set_encryption_algorithm(algorithm.cross()), |login| login.set_saml_encryption_algorithm(algorithm));
    }
}
