//! What a caller is told when a request can't be answered: one type, in the shape of Auth0's
//! Management API.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use vestibule::RunError;
use vestibule_sessions::StoreError;

use crate::client_auth::NotChecked;

/// Why a request was not answered. In JSON: `statusCode`, `error` (the status in words), `message`,
/// `errorCode`.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    /// What is too much, where that is why.
    capabilities: Vec<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Cause>,
}

/// Why a request was not answered, for the operator: it travels with the answer, and stands in the
/// request's line of the log.
#[derive(Clone, Debug)]
pub(crate) struct Cause(Arc<str>);

impl Cause {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a request was not answered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ErrorBody {
    /// The status.
    #[serde(rename = "statusCode")]
    status_code: u16,
    /// The status in words.
    error: &'static str,
    /// What is wrong, and what to do.
    message: String,
    /// What is wrong, for programs.
    #[serde(rename = "errorCode")]
    error_code: &'static str,
    /// Where a deployment is refused for what the Action can see and do: what of that is too much.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    capabilities: Vec<String>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), capabilities: Vec::new(), headers: Vec::new(), cause: None }
    }

    /// What is wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// With what the operator is told beside.
    #[must_use]
    pub(crate) fn because(mut self, cause: &impl std::fmt::Display) -> Self {
        self.cause = Some(Cause(cause.to_string().into()));
        self
    }

    /// With this behind its message.
    #[must_use]
    pub(crate) fn and(mut self, more: &str) -> Self {
        self.message = format!("{}; {more}", self.message).into();
        self
    }

    fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).map(|value| (name, value)));
        self
    }

    /// 400: the request can't be read.
    pub(crate) fn invalid_body(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", message)
    }

    /// 400: a part of the path isn't what it should be.
    pub(crate) fn invalid_path(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_uri", message)
    }

    /// 400: a parameter of the query isn't what it should be.
    pub(crate) fn invalid_query(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_query_string", message)
    }

    /// 401: there is no token.
    pub(crate) fn no_token() -> Self {
        let message = "no access token: send `Authorization: Bearer TOKEN`";
        Self::new(StatusCode::UNAUTHORIZED, "missing_token", message).with(header::WWW_AUTHENTICATE, "Bearer")
    }

    /// 401: the token is none for this tenant.
    pub(crate) fn invalid_token(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_token", message)
            .with(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
    }

    /// 403: the token is good for other things.
    pub(crate) fn insufficient_scope(expected: &str) -> Self {
        let message = format!("Insufficient scope, expected any of: {expected}");
        Self::new(StatusCode::FORBIDDEN, "insufficient_scope", message)
            .with(header::WWW_AUTHENTICATE, &format!("Bearer error=\"insufficient_scope\", scope=\"{expected}\""))
    }

    /// 400: what is asked for can't be done with what there is.
    pub(crate) fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 403: the policy lets no such Action use these.
    pub(crate) fn capabilities_refused(action: &str, refused: Vec<String>) -> Self {
        let message = format!(
            "the capability policy doesn't let {action} use {}; leave that out of the Action, or have the policy changed \
             (`/api/v2/actions/policy`, or `capabilities` in the server's configuration)",
            refused.join(", ")
        );
        Self { capabilities: refused, ..Self::new(StatusCode::FORBIDDEN, "capabilities_refused", message) }
    }

    /// 409: this version can see or do more than the one that runs, and nobody has said that it
    /// may.
    pub(crate) fn capabilities_not_accepted(action: &str, added: Vec<String>) -> Self {
        let message = format!(
            "this version of {action} uses {}, which the one that runs doesn't; where that is meant, deploy it with `\"accept_capabilities\": true`",
            added.join(", ")
        );
        Self { capabilities: added, ..Self::new(StatusCode::CONFLICT, "capabilities_not_accepted", message) }
    }

    /// 400: the request doesn't say which host it is for.
    pub(crate) fn no_host() -> Self {
        Self::bad_request("invalid_host", "the request names no host; send `Host` with the tenant's host name")
    }

    /// 404: no tenant is called by this host.
    pub(crate) fn unknown_tenant() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown_tenant",
            "no tenant is called by this host name; see `hosts` in the configuration",
        )
    }

    /// 404: nothing is there.
    pub(crate) fn not_found(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 405: the path has other methods.
    pub(crate) fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path doesn't know this method; see `Allow`")
    }

    /// 408: the request came too slowly.
    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "the request did not arrive in time")
            .with(header::CONNECTION, "close")
    }

    /// 409: the session can't be used for this login.
    pub(crate) fn conflict(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 413: the body is too large.
    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", format!("the body has more than {limit} bytes"))
    }

    /// 403: something of Auth0's Management API that this server doesn't serve, a path for
    /// instance. It reads as a scope that no token has: tools of that API go on without such
    /// things, where they stop at a 404 and try again after a 501.
    pub(crate) fn not_served(what: &str) -> Self {
        let what: String = what.chars().take(256).collect();
        let message = format!("Insufficient scope, expected any of: none. This server doesn't serve {what}; see /openapi.json");
        Self::new(StatusCode::FORBIDDEN, "not_served", message)
    }

    /// 429: too many requests of this tenant; there is room again after this time.
    pub(crate) fn too_many_requests(retry_after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Global limit has been reached").retry_after(retry_after)
    }

    /// 429: too many tokens of this peer were refused; there is room again after this time.
    pub(crate) fn too_many_refused_tokens(retry_after: Duration) -> Self {
        let message = "too many tokens were refused that were sent from here, and this one was not looked at; try again later";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", message).retry_after(retry_after)
    }

    /// 507: as much is stored for the tenant as may be. To send it again is of no use before
    /// something was deleted.
    pub(crate) fn storage_full(at_most: u64) -> Self {
        let message = format!(
            "as much is stored for this tenant as may be: {at_most} bytes (`quota.bytes` of the server's configuration); delete what isn't \
             needed, wait until what is old is swept, or have the quota raised"
        );
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "tenant_storage_full", message)
    }

    /// 503: the bodies of requests take as much memory as they may.
    pub(crate) fn bodies_full() -> Self {
        Self::unavailable("too_busy", "too many bytes of requests arrive at one time; try again", SOON)
    }

    /// 500: a fault of this server, which its log tells.
    pub(crate) fn internal(cause: &impl std::fmt::Display) -> Self {
        let message = "the server has failed; its log says why, by the request's id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message).because(cause)
    }

    /// 503: all keys of the tenant were revoked, and the one that was made instead can't be read.
    pub(crate) fn no_key() -> Self {
        let message = "the tenant has no key to sign with now; the server's log says why";
        Self::unavailable("no_signing_key", message, SOON)
    }

    /// 503: not now.
    pub(crate) fn unavailable(code: &'static str, message: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message).retry_after(retry_after)
    }

    /// With `Retry-After`, in whole seconds, at least one.
    fn retry_after(self, time: Duration) -> Self {
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        self.with(header::RETRY_AFTER, &seconds.max(1).to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            status_code: self.status.as_u16(),
            error: self.status.canonical_reason().unwrap_or("Error"),
            message: self.message.into_owned(),
            error_code: self.code,
            capabilities: self.capabilities,
        };
        let mut response = (self.status, Json(body)).into_response();
        response.headers_mut().extend(self.headers);
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

/// A moment in which what is busy may have become free.
const SOON: Duration = Duration::from_secs(1);

impl From<NotChecked> for ApiError {
    fn from(error: NotChecked) -> Self {
        match error {
            NotChecked::TooManyFailures { retry_after } => {
                let message = "too many wrong secrets were sent from here, or for this client; try again later";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", message).retry_after(retry_after)
            }
            NotChecked::Busy { retry_after } => {
                let message = "too many clients of this tenant ask for tokens at one time; try again";
                Self::unavailable("too_busy", message, retry_after)
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        // The caller is told that it can be tried again; what the database said is the operator's
        // matter.
        let cause = format!("the store has failed: {error}");
        match error {
            StoreError::Busy { retry_after } => {
                Self::unavailable("store_busy", "too many write at one time; try again", retry_after)
            }
            StoreError::Exhausted { retry_after, .. } => {
                let message = "all of this server's connections to its database are in use; try again";
                Self::unavailable("store_exhausted", message, retry_after)
            }
            StoreError::TimedOut { .. } => {
                let message = "the store does not answer; nothing was changed";
                Self::unavailable("store_unavailable", message, SOON)
            }
            StoreError::Unknown { .. } => {
                let message = "whether it was written is not known; send it again with the same transaction id, or read it";
                Self::unavailable("commit_unknown", message, SOON)
            }
            StoreError::Corrupt { .. } | StoreError::Failed { .. } => Self::internal(&""),
            _ => Self::unavailable("store_unavailable", "the store can't be written to now; nothing was changed", SOON),
        }
        .because(&cause)
    }
}

impl From<RunError> for ApiError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::TooBusy { limit, retry_after, .. } => {
                let message = format!("this tenant has too many logins at one time (limit `{limit}`); try again");
                Self::unavailable("too_busy", message, retry_after)
            }
            RunError::ShuttingDown => Self::unavailable("shutting_down", "the server is ending", SOON),
            error => Self::internal(&format_args!("a login could not be run: {error}")),
        }
    }
}
