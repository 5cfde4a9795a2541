//! Whether the server is alive, and whether it can do its work.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::ApiError;

/// The process answers.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "operation", responses((status = 200, description = "It lives.", body = super::shapes::Status)))]
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// The store can be written to, and the server isn't ending.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "operation", responses(
    (status = 200, description = "It can do its work.", body = super::shapes::Status),
    (status = 503, description = "It can't, or is ending.", body = crate::error::ErrorBody),
))]
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    if app.is_ending() {
        return Err(vestibule::RunError::ShuttingDown.into());
    }
    app.store().check().await?;
    Ok(Json(json!({ "status": "ready" })))
}
