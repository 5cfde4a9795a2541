//! `/openapi.json`: this API, made from the code that answers it.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use axum::http::{HeaderMap, Method};
use axum::response::Response;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
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
        description = "Post-login Actions, and the sessions that they write to. The Management API is compatible with Auth0's.",
        license(name = "Apache License 2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "The host of a tenant.")),
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
    modifiers(&Token, &Public)
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

/// Operations without a token say so: `security` is empty, and not left out.
struct Public;

impl Modify for Public {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        for item in openapi.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                operation.security.get_or_insert_default();
            }
        }
    }
}

/// The document. It is the same for all callers, and made once.
pub(crate) async fn document(headers: HeaderMap) -> Result<Response, ApiError> {
    static DOCUMENT: OnceLock<Result<Document, String>> = OnceLock::new();
    let made = DOCUMENT.get_or_init(|| Document::of(&Api::openapi()).map_err(|error| error.to_string()));
    let document = made.as_ref().map_err(|error| ApiError::internal(&format_args!("the document can't be made: {error}")))?;
    Ok(document.answer(&headers))
}

/// The names of each operation's query parameters, by its method and its path.
static QUERY_PARAMETERS: LazyLock<HashMap<(Method, String), Vec<String>>> = LazyLock::new(|| {
    let mut names = HashMap::new();
    for (path, item) in Api::openapi().paths.paths {
        let operations = [
            (Method::GET, item.get),
            (Method::PUT, item.put),
            (Method::POST, item.post),
            (Method::PATCH, item.patch),
            (Method::DELETE, item.delete),
        ];
        for (method, operation) in operations {
            names.extend(operation.map(|operation| ((method, path.clone()), query_names(operation))));
        }
    }
    names
});

fn query_names(operation: Operation) -> Vec<String> {
    let of_query = |parameter| match parameter {
        RefOr::T(Parameter { name, parameter_in: ParameterIn::Query, .. }) => Some(name),
        _ => None,
    };
    operation.parameters.unwrap_or_default().into_iter().filter_map(of_query).collect()
}

/// The names of an operation's query parameters; `None` where there is no such operation.
pub(super) fn query_parameters(method: &Method, path: &str) -> Option<&'static [String]> {
    QUERY_PARAMETERS.get(&(method.clone(), path.to_owned())).map(Vec::as_slice)
}

/// Every operation with the names of its query parameters.
#[cfg(test)]
pub(super) fn all_query_parameters() -> impl Iterator<Item = (&'static Method, &'static str, &'static [String])> {
    QUERY_PARAMETERS.iter().map(|((method, path), names)| (method, path.as_str(), names.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_without_a_token_are_these_alone() {
        let document = serde_json::to_value(Api::openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let operations =
            paths.iter().flat_map(|(path, item)| item.as_object().unwrap().values().map(move |operation| (path, operation)));
        let is_public = |operation: &serde_json::Value| operation["security"].as_array().unwrap().is_empty();
        let public: Vec<&str> = operations.filter(|(_, operation)| is_public(operation)).map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            public,
            ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/healthz", "/metrics", "/oauth/token", "/readyz",]
        );
    }
}
