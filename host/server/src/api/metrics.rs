//! `/metrics`: the operator's numbers, as Prometheus reads them (OpenMetrics text).

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::ApiError;

/// All metrics.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "operation", responses((status = 200, description = "Metrics.", content_type = "application/openmetrics-text", body = String)))]
pub(crate) async fn all(State(app): State<App>) -> Result<Response, ApiError> {
    let text =
        app.metrics().text(&app).map_err(|error| ApiError::internal(&format_args!("the metrics can't be written: {error}")))?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}
