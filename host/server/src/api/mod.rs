//! The routes: one file for each group.

mod actions;
mod client_body;
mod clients;
pub(crate) mod discovery;
pub(crate) mod document;
mod health;
pub(crate) mod list_turns;
mod log_query;
pub(crate) mod logs;
mod metrics;
mod object;
mod openapi;
mod pages;
mod parameters;
mod post_login;
mod session_body;
mod session_end;
mod sessions;
pub(crate) mod shapes;
mod token;
mod users;

use axum::Router;
use axum::http::Uri;
use axum::middleware;
use axum::routing::{any, get, post};

use crate::app::App;
use crate::error::ApiError;
use crate::observe;

/// The largest body of the token endpoint, which anybody may send: an id, a secret, an audience and
/// all scopes have a kilobyte.
pub(crate) const TOKEN_BODY: usize = 8 << 10;
/// The largest body of the Management API: 25 entries of two times 255 characters, escaped.
pub(crate) const SMALL_BODY: usize = 256 << 10;

/// Everything that the server answers.
pub(crate) fn router(app: App) -> Router {
    let management = Router::new()
        .route("/api/v2/sessions/{id}", get(sessions::read).patch(sessions::update).delete(sessions::delete))
        .route("/api/v2/sessions/{id}/revoke", post(sessions::revoke))
        .route("/api/v2/users/{id}/sessions", get(users::sessions).delete(users::delete_sessions))
        .route("/api/v2/clients", get(clients::list).post(clients::create))
        .route("/api/v2/clients/{id}", get(clients::read).patch(clients::update).delete(clients::delete))
        .merge(actions::routes())
        .route("/api/v2/logs", get(logs::list))
        .route("/api/v2/logs/{id}", get(logs::read))
        .layer(middleware::from_fn(parameters::check))
        .layer(middleware::from_fn_with_state(app.clone(), observe::limit_rate));
    Router::new()
        .merge(management)
        .route("/v1/post-login", post(post_login::run))
        .route("/v1/sessions/{id}/end", post(session_end::end))
        .route("/oauth/token", post(token::issue_token))
        .route("/.well-known/jwks.json", get(discovery::key_set))
        .route("/.well-known/openid-configuration", get(discovery::configuration))
        .route("/openapi.json", get(openapi::document))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::all))
        .fallback(any(nothing))
        .method_not_allowed_fallback(async || ApiError::wrong_method())
        .layer(middleware::from_fn_with_state(app.clone(), observe::request))
        .with_state(app)
}

/// What a path answers that has no route.
async fn nothing(uri: Uri) -> ApiError {
    if uri.path().starts_with("/api/v2/") {
        return ApiError::not_served(uri.path());
    }
    ApiError::not_found("not_found", "there is nothing at this path; see /openapi.json")
}
