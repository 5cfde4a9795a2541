//! What other programs look up: keys and endpoints. Anybody may ask, so each document is made once
//! for what it is made from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jsonwebtoken::jwk::Jwk;
use serde_json::json;
use vestibule::model::Timestamp;

use super::document::Document;
use crate::app::App;
use crate::error::ApiError;
use crate::keys::SigningAlgorithm;
use crate::request::Host;

/// A tenant's documents that were made last.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    key_set: Mutex<Option<KeySet>>,
    /// One for each origin that the tenant is called by, with the algorithm that it names.
    configurations: Mutex<BTreeMap<String, (SigningAlgorithm, Document)>>,
}

/// A key set's document with the keys that it was made from: it is right as long as these are the
/// rings'.
#[derive(Debug)]
struct KeySet {
    access: Arc<[Jwk]>,
    logout: Arc<[Jwk]>,
    document: Document,
}

impl Documents {
    fn key_set(&self, access: &Arc<[Jwk]>, logout: &Arc<[Jwk]>) -> Result<Document, serde_json::Error> {
        let mut made = self.key_set.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*made
            && Arc::ptr_eq(&made.access, access)
            && Arc::ptr_eq(&made.logout, logout)
        {
            return Ok(made.document.clone());
        }
        let keys: Vec<&Jwk> = access.iter().chain(logout.iter()).collect();
        let document = Document::of(&json!({ "keys": keys }))?;
        *made = Some(KeySet { access: Arc::clone(access), logout: Arc::clone(logout), document: document.clone() });
        Ok(document)
    }

    fn configuration(&self, origin: &str, algorithm: SigningAlgorithm) -> Result<Document, serde_json::Error> {
        let mut made = self.configurations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, document)) = made.get(origin)
            && *of == algorithm
        {
            return Ok(document.clone());
        }
        let document = Document::of(&json!({
            "issuer": format!("{origin}/"),
            "jwks_uri": format!("{origin}/.well-known/jwks.json"),
            "token_endpoint": format!("{origin}/oauth/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [algorithm.as_str()],
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
        }))?;
        made.insert(origin.to_owned(), (algorithm, document.clone()));
        Ok(document)
    }
}

/// The keys that the tenant's tokens are signed by (RFC 7517).
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "jwks",
    tag = "discovery",
    responses(
        (status = 200, description = "A key set.", body = super::shapes::KeySet),
        (status = 400, description = "The host is written wrongly.", body = crate::error::ErrorBody),
        (status = 404, description = "No tenant is called by this host.", body = crate::error::ErrorBody),
    )
)]
pub(crate) async fn key_set(Host { tenant, .. }: Host, headers: HeaderMap) -> Result<Response, ApiError> {
    let document = tenant.documents.key_set(&tenant.access_keys.public(), &tenant.logout_keys.public());
    Ok(document.map_err(|error| ApiError::internal(&error))?.answer(&headers))
}

/// Where what is (OpenID Connect Discovery 1.0; RFC 8414).
#[utoipa::path(
    get,
    path = "/.well-known/openid-configuration",
    operation_id = "openid_configuration",
    tag = "discovery",
    responses(
        (status = 200, description = "Where what is.", body = super::shapes::Endpoints),
        (status = 400, description = "The host is written wrongly.", body = crate::error::ErrorBody),
        (status = 404, description = "No tenant is called by this host.", body = crate::error::ErrorBody),
    )
)]
pub(crate) async fn configuration(State(app): State<App>, host: Host, headers: HeaderMap) -> Result<Response, ApiError> {
    let key = host.tenant.logout_keys.signing(Timestamp::now()).ok_or_else(ApiError::no_key)?;
    let algorithm = key.algorithm;
    let document = host.tenant.documents.configuration(&host.origin(&app), algorithm);
    Ok(document.map_err(|error| ApiError::internal(&error))?.answer(&headers))
}
