//! What happens around every request: its id, its line in the log, its time, and the rate of its tenant.

use std::time::Instant;

use axum::extract::{FromRequestParts as _, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;
use vestibule::model::Timestamp;

use crate::app::App;
use crate::error::ApiError;
use crate::metrics::RouteName;
use crate::request::{Caller, class, request_id};

/// The header that has a request's id, in both directions.
const REQUEST_ID: &str = "x-request-id";
/// The longest id that is taken from a caller.
const LONGEST_ID: usize = 128;

/// Gives a request its id, and tells of it when it is answered: never its query, its headers or its body.
pub(crate) async fn request(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let is_right = |id: &&str| !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic());
    let id = given.filter(is_right).map_or_else(request_id, str::to_owned);
    let method = known(request.method());
    let route = RouteName(request.extensions().get::<MatchedPath>().cloned());
    let span = tracing::info_span!("request", id = %id, method, route = %route);
    let mut response = next.run(request).instrument(span.clone()).await;
    let time = started.elapsed();
    let status = response.status();
    app.metrics().request(method, route, class(status), time);
    let _entered = span.enter();
    if status.is_server_error() {
        tracing::warn!(status = status.as_u16(), milliseconds = time.as_millis() as u64, "answered");
    } else {
        tracing::debug!(status = status.as_u16(), microseconds = time.as_micros() as u64, "answered");
    }
    response
        .headers_mut()
        .extend(HeaderValue::from_str(&id).ok().map(|id| (axum::http::HeaderName::from_static(REQUEST_ID), id)));
    response
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

/// Takes a request of the Management API out of its tenant's bucket, and says what is left in it. One without a token that is right is refused
/// before: strangers must not empty a tenant's bucket.
pub(crate) async fn limit_rate(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let told = match Caller::from_request_parts(&mut parts, &app).await {
        Ok(caller) => {
            let told = caller.tenant.rate.take(Timestamp::now());
            parts.extensions.insert(caller);
            told
        }
        Err(error) => return error.into_response(),
    };
    let mut response = if told.is_taken {
        next.run(Request::from_parts(parts, body)).await
    } else {
        ApiError::too_many_requests().into_response()
    };
    told.write(response.headers_mut());
    response
}
