//! `POST /oauth/token`: the client credentials grant (RFC 6749, section 4.4), as Auth0's clients
//! ask for it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use vestibule::model::Timestamp;
use zeroize::Zeroizing;

use super::TOKEN_BODY;
use crate::app::App;
use crate::client_auth::Attempt;
use crate::config::{Credentials, Scope};
use crate::connections::Connection;
use crate::error::ApiError;
use crate::refusals::Refusal;
use crate::request::{Host, body};
use crate::tenant::Tenant;
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

/// One answer for an unknown client and for a wrong secret: which of the two it is, is nobody's
/// matter.
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
        (status = 429, description = "Too many wrong secrets were sent by this peer, or for this client. See `Retry-After`.", body = crate::error::ErrorBody),
        (status = 503, description = "Too many ask at one time.", body = crate::error::ErrorBody),
    )
)]
pub(crate) async fn issue_token(
    State(app): State<App>,
    host: Host,
    connection: Option<Extension<Arc<Connection>>>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, ApiError> {
    let tenant = &host.tenant;
    let bytes = Zeroizing::new(body(request, TOKEN_BODY).await?.to_vec());
    let Some((request, said)) = read(&headers, &bytes) else {
        return Ok(refused(StatusCode::BAD_REQUEST, "invalid_request", "the body is neither a form nor JSON").into_response());
    };
    if request.grant_type.as_deref() != Some("client_credentials") {
        let answer = refused(StatusCode::BAD_REQUEST, "unsupported_grant_type", "the grant is client_credentials");
        return Ok(answer.into_response());
    }
    // All peers are the proxy behind one.
    let peer = connection.filter(|_| !app.trusts_forwarded_host()).map(|connection| connection.peer().address());
    let Some((id, credentials)) = authenticate(&app, tenant, peer, said).await? else { return Ok(WRONG_CLIENT.into_response()) };
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
    let now = Timestamp::now();
    let key = tenant.access_keys.signing(now).ok_or_else(ApiError::no_key)?;
    let granted = issue(&key, &issuer, &audience, &id, &wanted, now)
        .map_err(|error| ApiError::internal(&format_args!("a token can't be signed: {error}")))?;
    let body = TokenBody {
        access_token: granted.token,
        token_type: "Bearer",
        expires_in: Lifetime::OF_A_TOKEN.as_secs(),
        scope: granted.scope,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

/// A client's id and secret, as a request says them.
struct Said {
    id: String,
    secret: Zeroizing<String>,
}

/// The client, where one of these is its id and its secret.
async fn authenticate<'a>(
    app: &App,
    tenant: &'a Tenant,
    peer: Option<IpAddr>,
    said: Vec<Said>,
) -> Result<Option<(String, &'a Credentials)>, ApiError> {
    let with_credentials = || tenant.settings.clients.iter().filter_map(|client| Some((client, client.credentials.as_ref()?)));
    let credentials_of =
        |id: &str| with_credentials().find(|(client, _)| client.client_id.as_str() == id).map(|(_, found)| found);
    // An unknown client costs as much as a known one, so that the time doesn't tell which it is.
    let hash_of_others = with_credentials().next().map(|(_, credentials)| credentials.secret_hash.as_str());
    let attempt = |said: &Said| Attempt {
        tenant: &tenant.settings.id,
        peer,
        client: said.id.clone(),
        hash: credentials_of(&said.id).map(|credentials| credentials.secret_hash.as_str()),
        hash_of_others,
        secret: said.secret.clone(),
    };
    // What is known costs nothing, whichever reading it is.
    let known = said.iter().find(|said| app.client_auth().is_known(&attempt(said)));
    if let Some((said, credentials)) = known.and_then(|said| Some((said, credentials_of(&said.id)?))) {
        return Ok(Some((said.id.clone(), credentials)));
    }
    for said in said {
        let is_right = app.client_auth().is_right(attempt(&said)).await;
        let is_right = is_right.inspect_err(|error| app.refusals().count(Refusal::Tokens, error))?;
        if let Some(credentials) = credentials_of(&said.id).filter(|_| is_right) {
            return Ok(Some((said.id, credentials)));
        }
    }
    Ok(None)
}

/// Reads a form or JSON, and the client's id and secret from where RFC 6749, section 2.3.1, lets
/// them stand.
fn read(headers: &HeaderMap, bytes: &[u8]) -> Option<(TokenRequest, Vec<Said>)> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    let mut request: TokenRequest = if is_json { from_object(bytes)? } else { serde_urlencoded::from_bytes(bytes).ok()? };
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let basic = authorization.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let said = match basic {
        Some((_, encoded)) => of_basic(encoded)?,
        None => match (request.client_id.take(), request.client_secret.take()) {
            (Some(id), Some(secret)) => vec![Said { id, secret }],
            _ => Vec::new(),
        },
    };
    Some((request, said))
}

/// The id and secret of HTTP Basic. RFC 6749 has both encoded as in a form; many clients send them
/// as they are, so both readings are tried where they differ.
fn of_basic(encoded: &str) -> Option<Vec<Said>> {
    let decoded = Zeroizing::new(String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?);
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| {
        let bytes = text.replace('+', " ");
        let decoded = Zeroizing::new(percent_encoding::percent_decode_str(&bytes).collect::<Vec<u8>>());
        std::str::from_utf8(&decoded).ok().map(|text| Zeroizing::new(text.to_owned()))
    };
    let mut said = Vec::with_capacity(2);
    if let (Some(id), Some(secret)) = (plain(id), plain(secret)) {
        said.push(Said { id: id.to_string(), secret });
    }
    if !said.iter().any(|said| said.id == id && *said.secret == secret) {
        said.push(Said { id: id.to_owned(), secret: Zeroizing::new(secret.to_owned()) });
    }
    Some(said)
}

/// Reads a JSON object: an array of its members would be taken for it otherwise.
fn from_object(json: &[u8]) -> Option<TokenRequest> {
    json.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(json).ok()).flatten()
}
