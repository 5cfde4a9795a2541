//! `POST /v1/post-login`: a platform tells of a login, and is told what becomes of it.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use vestibule::model::Event;
use vestibule::model::event::EVENT_BYTES;

use crate::app::App;
use crate::config::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::executions::Executed;
use crate::login::{Answer, login};
use crate::request::{Caller, body};

/// Runs the tenant's Actions over a login, and answers the outcome when it is durable.
#[utoipa::path(
    post,
    path = "/v1/post-login",
    operation_id = "post_login",
    tag = "logins",
    request_body(content = super::shapes::Event, description = "The login event, in the shape of Auth0's post-login event.", content_type = "application/json"),
    security(("token" = ["run:post-login"])),
    responses(
        (status = 200, description = "The outcome: `decision` is `allow`, `deny` or `failed`. With `vestibule-repeated: true` it is that of an earlier request with this transaction's id.", content_type = "application/json", body = super::shapes::Outcome,
            headers(("vestibule-repeated" = String, description = "`true`, where it is a repeated one.")),
            links(
                ("session" = (operation_id = "get_session", parameters(("id" = "$request.body#/session/id")))),
                ("change" = (operation_id = "update_session", parameters(("id" = "$request.body#/session/id")))),
                ("revoke" = (operation_id = "revoke_session", parameters(("id" = "$request.body#/session/id")))),
                ("delete" = (operation_id = "delete_session", parameters(("id" = "$request.body#/session/id")))),
                ("sessions" = (operation_id = "get_user_sessions", parameters(("id" = "$request.body#/user/user_id")))),
            )),
        (status = 400, description = "The event can't be read.", body = ErrorBody),
        (status = 401, description = "No token, or none for this tenant.", body = ErrorBody),
        (status = 403, description = "The token's scope is too little.", body = ErrorBody),
        (status = 404, description = "No tenant is called by this host.", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time.", body = ErrorBody),
        (status = 409, description = "The session has ended, or is another user's; or the transaction's id was sent with another login, or its answer is not stored.", body = ErrorBody),
        (status = 413, description = "The event is too large.", body = ErrorBody),
        (status = 429, description = "Too many tokens of this peer were refused. See `Retry-After`.", body = ErrorBody),
        (status = 503, description = "Too busy, or the store can't be written to. See `Retry-After`.", body = ErrorBody),
        (status = 507, description = "As much is stored for the tenant as may be.", body = ErrorBody),
    )
)]
pub(crate) async fn run(State(app): State<App>, caller: Caller, headers: HeaderMap, request: Body) -> Result<Response, ApiError> {
    let tenant = caller.may(&[Scope::RunPostLogin])?;
    let json = body(request, EVENT_BYTES).await?;
    let event = Event::from_json(&json).map_err(|error| ApiError::invalid_body(error.to_string()))?;
    let user = event.user.id.clone();
    let started = std::time::SystemTime::now();
    let answer = login(tenant, event, &app, started.into()).await?;
    let (json, is_repeated) = match answer {
        Answer::Now { outcome, json, execution } => {
            app.metrics().login(tenant, &outcome);
            if outcome.session.revoked.is_some() {
                app.ended().notify_one();
            }
            app.traces().login(&headers, &tenant.settings.id, &outcome, started);
            if let Some(id) = execution {
                let tenant = tenant.settings.id.clone();
                app.executions().tell(Executed { id, tenant, user, outcome, started: started.into() });
            }
            (json, false)
        }
        Answer::Repeated(json) if json.is_empty() => {
            let message = "this transaction has been committed, and its answer is not stored: it was too long, or the tenant had stored as \
                           many bytes of answers as it may (`quota.answers`); begin a new login, with a new transaction";
            return Err(ApiError::conflict("answer_not_stored", message));
        }
        Answer::Repeated(json) => (json, true),
    };
    let mut response = json.to_string().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if is_repeated {
        response.headers_mut().insert("vestibule-repeated", HeaderValue::from_static("true"));
    }
    Ok(response)
}
