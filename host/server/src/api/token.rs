//! `POST /oauth/token`: the client credentials grant (RFC 6749, section 4.4), as Auth0's clients ask for it.

use std::collections::BTreeSet;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordVerifier as _};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use vestibule::model::Timestamp;
use zeroize::Zeroizing;

use super::TOKEN_BODY;
use crate::app::App;
use crate::config::Scope;
use crate::error::ApiError;
use crate::request::{Host, body};
use crate::tokens::{Lifetime, issue};

/// What a client sends, as a form or as JSON.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct TokenRequest {
    #[schema(value_type = GrantType)]
    grant_type: Option<String>,
    client_id: Option<String>,
    #[schema(value_type = Option<String>)]
    client_secret: Option<Zeroizing<String>>,
    /// `https://HOST/api/v2/`; that of the host that is called, where it is left out.
    audience: Option<String>,
    /// Fewer scopes than the client has, with spaces between them.
    scope: Option<String>,
}

/// The grants that there are.
#[derive(utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "the document tells it; any other text is answered as RFC 6749 wants")]
enum GrantType {
    ClientCredentials,
}

/// A token.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TokenBody {
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// In seconds.
    expires_in: u64,
    /// With spaces between them.
    scope: String,
}

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TokenErrorBody {
    error: &'static str,
    error_description: &'static str,
}

struct Refused(StatusCode, TokenErrorBody);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

const fn refused(status: StatusCode, error: &'static str, error_description: &'static str) -> Refused {
    Refused(status, TokenErrorBody { error, error_description })
}

/// One answer for an unknown client and for a wrong secret: which of the two it is, is nobody's matter.
const WRONG_CLIENT: Refused = refused(StatusCode::UNAUTHORIZED, "access_denied", "Unauthorized");

/// Gives a client a token.
#[utoipa::path(
    post,
    path = "/oauth/token",
    operation_id = "token",
    tag = "tokens",
    request_body(content((TokenRequest = "application/x-www-form-urlencoded"), (TokenRequest = "application/json"))),
    responses(
        (status = 200, description = "A token.", body = TokenBody),
        (status = 400, description = "Another grant, or a body that can't be read.", body = TokenErrorBody),
        (status = 401, description = "The client or its secret is wrong.", body = TokenErrorBody),
        (status = 403, description = "Another audience, or a scope that the client doesn't have.", body = TokenErrorBody),
        (status = 404, description = "No tenant is called by this host.", body = crate::error::ErrorBody),
        (status = 408, description = "The body did not arrive in time.", body = crate::error::ErrorBody),
        (status = 413, description = "The body is too large.", body = crate::error::ErrorBody),
        (status = 503, description = "Too many ask at one time.", body = crate::error::ErrorBody),
    )
)]
pub(crate) async fn issue_token(
    State(app): State<App>,
    host: Host,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, ApiError> {
    let tenant = &host.tenant;
    let bytes = Zeroizing::new(body(request, TOKEN_BODY).await?.to_vec());
    let Some(request) = read(&headers, &bytes) else {
        return Ok(refused(StatusCode::BAD_REQUEST, "invalid_request", "the body is neither a form nor JSON").into_response());
    };
    if request.grant_type.as_deref() != Some("client_credentials") {
        let answer = refused(StatusCode::BAD_REQUEST, "unsupported_grant_type", "the grant is client_credentials");
        return Ok(answer.into_response());
    }
    let (Some(id), Some(secret)) = (request.client_id, request.client_secret) else { return Ok(WRONG_CLIENT.into_response()) };
    let client = tenant.settings.clients.iter().find(|client| client.client_id.as_str() == id);
    let credentials = client.and_then(|client| client.credentials.as_ref());
    // Checked for a client that isn't there as well, so that the time doesn't tell.
    let hash = credentials.map_or_else(|| app.hash_of_nobody().to_owned(), |credentials| credentials.secret_hash.clone());
    let is_right = check(&app, hash, secret).await?;
    let Some(credentials) = credentials.filter(|_| is_right) else { return Ok(WRONG_CLIENT.into_response()) };
    let origin = host.origin(&app);
    let audience = request.audience.unwrap_or_else(|| format!("{origin}/api/v2/"));
    if !tenant.verifier.is_own_api(&audience) {
        let answer = refused(StatusCode::FORBIDDEN, "access_denied", "the audience is not this tenant's Management API");
        return Ok(answer.into_response());
    }
    let wanted: BTreeSet<Scope> = match request.scope.as_deref().filter(|scope| !scope.is_empty()) {
        None => credentials.scopes.clone(),
        Some(scope) => match scope.split(' ').map(str::parse::<Scope>).collect::<Result<BTreeSet<_>, _>>() {
            Ok(wanted) if wanted.is_subset(&credentials.scopes) => wanted,
            _ => {
                let answer = refused(StatusCode::FORBIDDEN, "access_denied", "the client doesn't have all of these scopes");
                return Ok(answer.into_response());
            }
        },
    };
    let issuer = format!("{origin}/");
    let granted = issue(&tenant.access_keys.signing(Timestamp::now()), &issuer, &audience, &id, &wanted, Timestamp::now())
        .map_err(|error| ApiError::internal(&format_args!("a token can't be signed: {error}")))?;
    let body = TokenBody {
        access_token: granted.token,
        token_type: "Bearer",
        expires_in: Lifetime::OF_A_TOKEN.as_secs(),
        scope: granted.scope,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

/// Reads a form or JSON, and the client's name and secret from where RFC 6749, section 2.3.1, lets them stand.
fn read(headers: &HeaderMap, bytes: &[u8]) -> Option<TokenRequest> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    let mut request: TokenRequest = if is_json { from_object(bytes)? } else { serde_urlencoded::from_bytes(bytes).ok()? };
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(encoded) = basic.and_then(|value| value.strip_prefix("Basic ")) {
        let decoded = Zeroizing::new(String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?);
        let (id, secret) = decoded.split_once(':')?;
        request.client_id = Some(id.to_owned());
        request.client_secret = Some(Zeroizing::new(secret.to_owned()));
    }
    Some(request)
}

/// Reads a JSON object: an array of its members would be taken for it otherwise.
fn from_object(json: &[u8]) -> Option<TokenRequest> {
    json.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(json).ok()).flatten()
}

/// Whether this is the secret of this hash. It takes long and much memory, so only a few at one time.
async fn check(app: &App, hash: String, secret: Zeroizing<String>) -> Result<bool, ApiError> {
    let _turn = app.hashing().await?;
    let checked = tokio::task::spawn_blocking(move || {
        let hash = PasswordHash::new(&hash).ok()?;
        Argon2::default().verify_password(secret.as_bytes(), &hash).ok()
    });
    Ok(checked.await.ok().flatten().is_some())
}
