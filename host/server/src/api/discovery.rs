//! What other programs look up: keys and endpoints.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::json;
use vestibule::model::Timestamp;

use crate::app::App;
use crate::request::Host;

/// The keys that the tenant's tokens are signed by (RFC 7517).
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "jwks",
    tag = "discovery",
    responses(
        (status = 200, description = "A key set.", body = super::shapes::KeySet),
        (status = 404, description = "No tenant is called by this host.", body = crate::error::ErrorBody),
    )
)]
pub(crate) async fn key_set(Host { tenant, .. }: Host) -> impl IntoResponse {
    let keys: Vec<_> = tenant.access_keys.public().into_iter().chain(tenant.logout_keys.public()).collect();
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(json!({ "keys": keys })))
}

/// Where what is (OpenID Connect Discovery 1.0; RFC 8414).
#[utoipa::path(
    get,
    path = "/.well-known/openid-configuration",
    operation_id = "openid_configuration",
    tag = "discovery",
    responses(
        (status = 200, description = "Where what is.", body = super::shapes::Endpoints),
        (status = 404, description = "No tenant is called by this host.", body = crate::error::ErrorBody),
    )
)]
pub(crate) async fn configuration(State(app): State<App>, Host { tenant, authority }: Host) -> impl IntoResponse {
    let issuer = format!("{}://{authority}/", app.scheme());
    Json(json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}.well-known/jwks.json"),
        "token_endpoint": format!("{issuer}oauth/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [tenant.logout_keys.signing(Timestamp::now()).algorithm.as_str()],
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    }))
}
