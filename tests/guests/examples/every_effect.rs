//! Asks for every effect of the contract, and logs what each rule says when it is broken.

use std::time::Duration;

use vestibule_sdk::api::SamlResponse;
use vestibule_sdk::{
    Api, CookieMode, DigestAlgorithm, EncryptionAlgorithm, Event, PostLogin, Provider, Result, SignatureAlgorithm, Timestamp,
    json, log,
};

pub(crate) struct EveryEffect;

impl PostLogin for EveryEffect {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let session = api.session();
        session.set_metadata("gone", "soon")?;
        session.evict_metadata()?;
        session.set_metadata("org_id", "org_1")?;
        session.set_metadata("other", "x")?;
        session.delete_metadata("other")?;
        let created_at = event.session().times().created_at.unwrap_or_default();
        session.set_expires_at(created_at.plus(Duration::from_secs(7_200)))?;
        session.set_idle_expires_at(created_at.plus(Duration::from_secs(3_600)))?;
        session.set_cookie_mode(CookieMode::Persistent)?;
        api.access_token().set_custom_claim("https://acme.example/roles", json!(["a", 1, null]))?;
        api.access_token().add_scope("read:orders")?;
        api.access_token().remove_scope("profile")?;
        api.id_token().set_custom_claim("https://acme.example/vip", true)?;
        api.user().set_user_metadata("theme", json!(null))?;
        api.user().set_app_metadata("seats", 3)?;
        api.transaction().set_metadata("risk", 0.25)?;
        api.transaction().set_metadata("step", "two")?;
        api.transaction().set_metadata("done", true)?;
        api.transaction().delete_metadata("step")?;

        let later = created_at.plus(Duration::from_secs(1_800));
        let token = api.refresh_token();
        token.set_metadata("gone", "soon")?;
        token.evict_metadata()?;
        token.set_metadata("device", "phone")?;
        token.set_metadata("other", "x")?;
        token.delete_metadata("other")?;
        token.set_expires_at(created_at.plus(Duration::from_secs(7_200)))?;
        token.set_idle_expires_at(later)?;
        api.cache().set("rates", "1.08")?;
        api.cache().set_for("short", "x", Duration::from_secs(1))?;
        api.cache().set_until("until", "x", later)?;
        api.cache().delete("short")?;
        api.multifactor().enable(Provider::Duo);
        api.multifactor().enable_and_remember_browser(Provider::GoogleAuthenticator);
        saml(&api.saml_response())?;

        let long = "x".repeat(5_000);
        let refusals = [
            session.set_metadata("", "v").map_err(|error| error.to_string()),
            session.set_metadata(&long, "v").map_err(|error| error.to_string()),
            session.set_metadata("a b", "v").map_err(|error| error.to_string()),
            session.set_metadata("k", &long).map_err(|error| error.to_string()),
            session.set_expires_at(Timestamp::from_millis(1)).map_err(|error| error.to_string()),
            session.revoke(&long, false).map_err(|error| error.to_string()),
            api.access().deny(&long).map_err(|error| error.to_string()),
            api.access_token().set_custom_claim("sub", 1).map_err(|error| error.to_string()),
            api.access_token().set_custom_claim("", 1).map_err(|error| error.to_string()),
            api.access_token().set_custom_claim("k", "x".repeat(100_000)).map_err(|error| error.to_string()),
            api.access_token().add_scope("a b").map_err(|error| error.to_string()),
            api.user().set_user_metadata("", 1).map_err(|error| error.to_string()),
            api.user().set_app_metadata("k", "x".repeat(33_000)).map_err(|error| error.to_string()),
            api.transaction().set_metadata("k", f64::NAN).map_err(|error| error.to_string()),
            api.transaction().set_metadata("k", "x".repeat(9_000)).map_err(|error| error.to_string()),
            api.validation().error("", "m").map_err(|error| error.to_string()),
            token.set_metadata("a b", "v").map_err(|error| error.to_string()),
            token.set_expires_at(Timestamp::from_millis(1)).map_err(|error| error.to_string()),
            token.revoke(&long).map_err(|error| error.to_string()),
            api.cache().set("", "v").map(drop).map_err(|error| error.to_string()),
            api.cache().set(&long, "v").map(drop).map_err(|error| error.to_string()),
            api.cache().set("k", &long).map(drop).map_err(|error| error.to_string()),
            api.cache().set_until("k", "v", Timestamp::from_millis(1)).map(drop).map_err(|error| error.to_string()),
            api.saml_response().set_attribute("", 1).map_err(|error| error.to_string()),
            api.saml_response().set_audience(&long).map_err(|error| error.to_string()),
        ];
        for refusal in refusals {
            log::warn(refusal.err().unwrap_or_else(|| "nothing was refused".to_owned()));
        }

        match event.configuration("mode").as_deref() {
            Some("reject") => api.validation().error("quota", "too many devices")?,
            Some("revoke") => token.revoke("stolen")?,
            _ => {}
        }
        Ok(())
    }
}

fn saml(response: &SamlResponse) -> Result {
    response.set_attribute("department", json!(["sales"]))?;
    response.set_attribute("left_out", json!(null))?;
    response.set_audience("urn:first")?;
    response.set_audience("urn:partner")?;
    response.set_recipient("https://partner.example/acs")?;
    response.set_destination("https://partner.example/acs")?;
    response.set_issuer("urn:acme")?;
    response.set_relay_state("/start")?;
    response.set_name_identifier_format("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress")?;
    response.set_authn_context_class_ref("urn:oasis:names:tc:SAML:2.0:ac:classes:Password")?;
    response.set_name_identifier_probes(&["email", "name"])?;
    response.set_signing_cert("signing")?;
    response.set_encryption_cert("encryption")?;
    response.set_encryption_public_key("public")?;
    response.set_cert("cert")?;
    response.set_key("private")?;
    response.set_create_upn_claim(true);
    response.set_passthrough_claims_with_no_mapping(false);
    response.set_map_unknown_claims_as_is(true);
    response.set_map_identities(false);
    response.set_sign_response(true);
    response.set_include_attribute_name_format(true);
    response.set_typed_attributes(false);
    response.set_lifetime_in_seconds(600);
    response.set_signature_algorithm(SignatureAlgorithm::RsaSha256);
    response.set_digest_algorithm(DigestAlgorithm::Sha256);
    response.set_encryption_algorithm(EncryptionAlgorithm::Aes256Gcm);
    Ok(())
}

vestibule_sdk::export!(EveryEffect);
