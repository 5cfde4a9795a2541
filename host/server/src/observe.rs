//! What happens around every request: its id, its line in the log, its time, and the rate of its
//! tenant.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequestParts as _, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use vestibule::model::Timestamp;

use crate::app::App;
use crate::authority::Authority;
use crate::bodies::Counted;
use crate::connections::Request as Begun;
use crate::error::{ApiError, Cause};
use crate::metrics::RouteName;
use crate::refusals::Refusal;
use crate::request::{Caller, class, request_id};
use crate::unread;

/// The header that has a request's id, in both directions.
const REQUEST_ID: &str = "x-request-id";
/// The longest id that is taken from a caller.
const LONGEST_ID: usize = 128;

/// Gives a request its id, and tells of it when it is answered: never its query, its headers or its
/// body.
pub(crate) async fn request(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let is_right = |id: &&str| !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic());
    let id = given.filter(is_right).map_or_else(request_id, str::to_owned);
    let method = known(request.method());
    let route = RouteName(request.extensions().get::<MatchedPath>().cloned());
    let (mut parts, body) = request.into_parts();
    let begun = Begun::begin(&parts.extensions);
    let (authority, refused) = match Authority::of_request(&parts, &app) {
        Ok(authority) => (authority, None),
        Err(error) => {
            app.refusals().count(Refusal::Host, &error.message());
            (None, Some(error))
        }
    };
    let version = parts.version;
    let charge = (!body.is_end_stream()).then(|| {
        let tenant = authority.as_ref().and_then(Authority::name).and_then(|name| app.tenant(&name));
        let peer = begun.as_ref().map(|request| Arc::clone(request.connection().peer()));
        Arc::new(app.bodies().charge(tenant, peer))
    });
    authority.map(|authority| parts.extensions.insert(authority));
    charge.as_ref().map(|charge| parts.extensions.insert(Arc::clone(charge)));
    let (request, rest) = unread::watch(Request::from_parts(parts, body));
    let request = match &charge {
        // Around what is watched: a rest that is thrown away takes no memory.
        Some(charge) => request.map(|body| Body::new(Counted::new(body, Arc::clone(charge)))),
        None => request,
    };
    let mut response = match refused {
        None => next.run(request).await,
        Some(error) => error.into_response(),
    };
    let time = started.elapsed();
    match rest {
        Some(rest) if version == Version::HTTP_2 => rest.read_behind(),
        Some(rest) => rest.read_away().await,
        None => {}
    }
    let status = response.status();
    tell(&id, method, &route, status, time, response.extensions().get::<Cause>());
    app.metrics().request(method, route, class(status), time);
    response
        .headers_mut()
        .extend(HeaderValue::from_str(&id).ok().map(|id| (axum::http::HeaderName::from_static(REQUEST_ID), id)));
    match begun {
        Some(begun) => begun.answer(response, version),
        None => response,
    }
}

/// The request's line in the log. What went wrong stands in it, so that nobody has to look for
/// another one.
fn tell(id: &str, method: &str, route: &RouteName, status: StatusCode, time: Duration, cause: Option<&Cause>) {
    let (cause, microseconds, code) = (cause.map(Cause::as_str), time.as_micros() as u64, status.as_u16());
    if !status.is_server_error() {
        tracing::debug!(id, method, %route, status = code, microseconds, cause, "answered");
    } else if cause.is_some() {
        tracing::error!(id, method, %route, status = code, microseconds, cause, "failed");
    } else {
        tracing::warn!(id, method, %route, status = code, microseconds, "answered");
    }
}

/// A method's name; whoever makes one up doesn't make up a metric.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Takes a request of the Management API out of its tenant's bucket, and says what is left in it.
/// One without a token that is right is refused before: strangers must not empty a tenant's bucket.
pub(crate) async fn limit_rate(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let told = match Caller::from_request_parts(&mut parts, &app).await {
        Ok(caller) => {
            let told = caller.tenant.rate.take(Instant::now(), Timestamp::now());
            parts.extensions.insert(caller);
            told
        }
        Err(error) => return error.into_response(),
    };
    let mut response = if told.is_taken {
        next.run(Request::from_parts(parts, body)).await
    } else {
        ApiError::too_many_requests(told.retry_after).into_response()
    };
    told.write(response.headers_mut());
    response
}
