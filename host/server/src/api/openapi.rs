//! `/openapi.json`: this API, made from the code that answers it.

use std::sync::OnceLock;

use axum::http::HeaderMap;
use axum::response::Response;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::actions::{bindings, collection, component, deploy, executions, item, policy, secrets, trial, triggers, versions};
use super::document::Document;
use super::{clients, discovery, health, logs, metrics, post_login, session_end, sessions, token, users};
use crate::error::ApiError;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Vestibule",
        description = "Post-login Actions, and the sessions that they write to. The Management API is compatible with Auth0's."
    ),
    paths(
        post_login::run,
        session_end::end,
        sessions::read,
        sessions::update,
        sessions::delete,
        sessions::revoke,
        users::sessions,
        users::delete_sessions,
        clients::list,
        clients::create,
        clients::read,
        clients::update,
        clients::delete,
        collection::list,
        collection::create,
        item::read,
        item::update,
        item::delete,
        component::upload,
        component::download,
        component::download_version,
        secrets::set,
        secrets::remove,
        deploy::draft,
        deploy::version,
        trial::run,
        versions::list,
        versions::read,
        triggers::list,
        bindings::list,
        bindings::replace,
        executions::list,
        executions::read,
        policy::read,
        policy::replace,
        policy::delete,
        logs::list,
        logs::read,
        token::issue_token,
        discovery::key_set,
        discovery::configuration,
        health::alive,
        health::ready,
        metrics::all,
    ),
    modifiers(&Token)
)]
struct Api;

/// How callers say who they are.
struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The document. It is the same for all callers, and made once.
pub(crate) async fn document(headers: HeaderMap) -> Result<Response, ApiError> {
    static DOCUMENT: OnceLock<Result<Document, String>> = OnceLock::new();
    let made = DOCUMENT.get_or_init(|| Document::of(&Api::openapi()).map_err(|error| error.to_string()));
    let document = made.as_ref().map_err(|error| ApiError::internal(&format_args!("the document can't be made: {error}")))?;
    Ok(document.answer(&headers))
}
