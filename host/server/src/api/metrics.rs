//! `/metrics`: the operator's numbers, as Prometheus reads them.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::ApiError;
use crate::exposition::Format;

/// All metrics: in Prometheus's text format, or in OpenMetrics where `Accept` asks for it.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "operation", responses(
    (status = 200, description = "Metrics.", content((String = "text/plain"), (String = "application/openmetrics-text"))),
    (status = 400, description = "The host is written wrongly.", body = crate::error::ErrorBody),
))]
pub(crate) async fn all(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    let format = Format::accepted_by(&headers);
    let text = app.metrics().text(&app, format);
    let text = text.map_err(|error| ApiError::internal(&format_args!("the metrics can't be written: {error}")))?;
    Ok(([(header::CONTENT_TYPE, format.content_type()), (header::VARY, "accept")], text).into_response())
}
