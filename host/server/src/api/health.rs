//! Whether the server is alive, and whether it can do its work.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::ApiError;

/// The process answers.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "operation", responses(
    (status = 200, description = "It lives.", body = super::shapes::Status),
    (status = 400, description = "The host is written wrongly.", body = crate::error::ErrorBody),
))]
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// The store takes transactions, no background worker is late, and the server isn't ending.
///
/// The store is asked once a second at most, however many requests come.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "operation", responses(
    (status = 200, description = "It can do its work.", body = super::shapes::Readiness),
    (status = 400, description = "The host is written wrongly.", body = crate::error::ErrorBody),
    (status = 503, description = "It can't, and which part is why; or it is ending.", body = crate::error::ErrorBody),
))]
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    if app.is_ending() {
        return Err(vestibule::RunError::ShuttingDown.into());
    }
    app.readiness().ask(&app).await?;
    let mut notes: Vec<String> =
        app.workers().panicked().iter().map(|name| format!("{name} has panicked, and has had no good pass since")).collect();
    if app.clock().is_held() {
        notes.push("the machine's clock has jumped ahead; background work goes on by the time before".to_owned());
    }
    Ok(Json(json!({ "status": "ready", "notes": notes })))
}
