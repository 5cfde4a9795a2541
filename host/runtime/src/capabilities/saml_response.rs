//! `saml-response`: what the response that answers a SAML login is made of.

use vestibule_model::contract::Cross;
use vestibule_model::{SamlCertificate, SamlFlag, SamlText};

use crate::contract::bindings::vestibule::actions::saml_response::{
    DigestAlgorithm, EncryptionAlgorithm, Host, SamlError, SignatureAlgorithm,
};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn set_attribute(&mut self, name: String, value: String) -> wasmtime::Result<Result<(), SamlError>> {
        Ok(self.call()?.set_saml_attribute(&name, &value).map_err(Cross::cross))
    }

    fn set_audience(&mut self, value: String) -> wasmtime::Result<Result<(), SamlError>> {
        Ok(self.call()?.set_saml_text(SamlText::Audience, &value).map_err(Cross::cross))
    }

    fn set_recipient(&mut self, value: String) -> wasmtime::Result<Result<(), SamlError>> {
        Ok(self.call()?.set_saml_text(SamlText::Recipient, &value).map_err(Cross::cross))
    }

    fn set_destination(&mut self, value: String) -> wasmtime::Result<Result<(), SamlError>> {
        Ok(self.call()?.set_saml_text(SamlText::Destination, &value).map_err(Cross::cross))
    }

    fn set_issuer(&mut self, value: String) -> wasmtime::Result<Result<(), SamlError>> {
        Ok(self.call()?.set_saml_text(SamlText::Issuer, &value).map_err(Cross::cross))
    }

    fn set_relay_state(&mut self, value: String) -> wasmtime::Result<Result<(), SamlError>> {
        Ok(self.call()?.set_saml_text(SamlText::RelayState, &value).map_err(Cross::cross))
    }

    fn set_name_identifier_format(&mut self, value: String) -> wasmtime::Result<Result<(), SamlError>> {
        Ok(self.call()?.set_saml_text(SamlText::NameIdentifierFormat, &value).map_err(Cross::cross))
    }

    fn set_authn_context_class_ref(&mut self, value: String) -> wasmtime::Result<Result<(), SamlError>> {
        Ok(self.call()?.set_saml_text(SamlText::AuthnContextClassRef, &value).map_err(Cross::cross))
    }

    fn set_name_identifier_probes(&mut self, attributes: Vec<String>) -> wasmtime::Result<Result<(), SamlError>> {
        Ok(self.call()?.set_saml_name_identifier_probes(attributes).map_err(Cross::cross))
    }

    fn set_signing_cert(&mut self, pem: String) -> wasmtime::Result<Result<(), SamlError>> {
        Ok(self.call()?.set_saml_certificate(SamlCertificate::SigningCert, &pem).map_err(Cross::cross))
    }

    fn set_encryption_cert(&mut self, pem: String) -> wasmtime::Result<Result<(), SamlError>> {
        Ok(self.call()?.set_saml_certificate(SamlCertificate::EncryptionCert, &pem).map_err(Cross::cross))
    }

    fn set_encryption_public_key(&mut self, pem: String) -> wasmtime::Result<Result<(), SamlError>> {
        Ok(self.call()?.set_saml_certificate(SamlCertificate::EncryptionPublicKey, &pem).map_err(Cross::cross))
    }

    fn set_cert(&mut self, pem: String) -> wasmtime::Result<Result<(), SamlError>> {
        Ok(self.call()?.set_saml_certificate(SamlCertificate::Cert, &pem).map_err(Cross::cross))
    }

    fn set_key(&mut self, pem: String) -> wasmtime::Result<Result<(), SamlError>> {
        Ok(self.call()?.set_saml_key(&pem).map_err(Cross::cross))
    }

    fn set_create_upn_claim(&mut self, value: bool) -> wasmtime::Result<()> {
        self.call()?.set_saml_flag(SamlFlag::CreateUpnClaim, value);
        Ok(())
    }

    fn set_passthrough_claims_with_no_mapping(&mut self, value: bool) -> wasmtime::Result<()> {
        self.call()?.set_saml_flag(SamlFlag::PassthroughClaimsWithNoMapping, value);
        Ok(())
    }

    fn set_map_unknown_claims_as_is(&mut self, value: bool) -> wasmtime::Result<()> {
        self.call()?.set_saml_flag(SamlFlag::MapUnknownClaimsAsIs, value);
        Ok(())
    }

    fn set_map_identities(&mut self, value: bool) -> wasmtime::Result<()> {
        self.call()?.set_saml_flag(SamlFlag::MapIdentities, value);
        Ok(())
    }

    fn set_sign_response(&mut self, value: bool) -> wasmtime::Result<()> {
        self.call()?.set_saml_flag(SamlFlag::SignResponse, value);
        Ok(())
    }

    fn set_include_attribute_name_format(&mut self, value: bool) -> wasmtime::Result<()> {
        self.call()?.set_saml_flag(SamlFlag::IncludeAttributeNameFormat, value);
        Ok(())
    }

    fn set_typed_attributes(&mut self, value: bool) -> wasmtime::Result<()> {
        self.call()?.set_saml_flag(SamlFlag::TypedAttributes, value);
        Ok(())
    }

    fn set_lifetime_in_seconds(&mut self, seconds: u32) -> wasmtime::Result<()> {
        self.call()?.set_saml_lifetime_in_seconds(seconds);
        Ok(())
    }

    fn set_signature_algorithm(&mut self, algorithm: SignatureAlgorithm) -> wasmtime::Result<()> {
        self.call()?.set_saml_signature_algorithm(algorithm.cross());
        Ok(())
    }

    fn set_digest_algorithm(&mut self, algorithm: DigestAlgorithm) -> wasmtime::Result<()> {
        self.call()?.set_saml_digest_algorithm(algorithm.cross());
        Ok(())
    }

    fn set_encryption_algorithm(&mut self, algorithm: EncryptionAlgorithm) -> wasmtime::Result<()> {
        self.call()?.set_saml_encryption_algorithm(algorithm.cross());
        Ok(())
    }
}
