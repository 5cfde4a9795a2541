//! Traces by OpenTelemetry: a span for each login, in the trace that the caller names (W3C Trace
//! Context), and one for each Action in it.

use std::time::SystemTime;

use axum::http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use url::Url;
use vestibule::model::outcome::{ActionResult, Decision};
use vestibule::model::{Outcome, TenantId};

use crate::metrics::decision;

/// Where traces are sent, where they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces(Option<SdkTracerProvider>);

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}

impl Traces {
    /// Sends traces there, by OTLP over HTTP (protobuf), in batches.
    pub(crate) fn to(url: &Url) -> Result<Self, ExporterBuildError> {
        let exporter =
            SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).with_endpoint(url.as_str()).build()?;
        let resource = Resource::builder().with_service_name("vestibule").build();
        Ok(Self(Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())))
    }

    /// Tells of a login that has begun then and has just ended.
    pub(crate) fn login(&self, headers: &HeaderMap, tenant: &TenantId, outcome: &Outcome, started: SystemTime) {
        let Some(provider) = &self.0 else { return };
        let tracer = provider.tracer("vestibule");
        let parent = TraceContextPropagator::new().extract(&Headers(headers));
        let mut span = tracer
            .span_builder("post-login")
            .with_kind(SpanKind::Server)
            .with_start_time(started)
            .with_attributes([
                KeyValue::new("vestibule.tenant", tenant.to_string()),
                KeyValue::new("vestibule.decision", decision(&outcome.decision)),
            ])
            .start_with_context(&tracer, &parent);
        if matches!(outcome.decision, Decision::Failed { .. }) {
            span.set_status(Status::error("the login failed"));
        }
        let of_login: Context = parent.with_span(span);
        // They run one after the other, and their reports say for how long each.
        let mut from = started;
        for report in outcome.actions.iter().filter(|report| report.result != ActionResult::NotRun) {
            let mut span = tracer
                .span_builder(format!("action {}", report.action.name()))
                .with_start_time(from)
                .with_attributes([
                    KeyValue::new("vestibule.action", report.action.to_string()),
                    KeyValue::new("vestibule.result", report.result.name()),
                    KeyValue::new("vestibule.peak_memory_bytes", i64::try_from(report.peak_memory_bytes).unwrap_or(i64::MAX)),
                ])
                .start_with_context(&tracer, &of_login);
            if matches!(report.result, ActionResult::Failed(_)) {
                span.set_status(Status::error("the Action failed"));
            }
            from += report.duration;
            span.end_with_timestamp(from);
        }
        of_login.span().end();
    }

    /// Sends what has not been sent.
    pub(crate) fn close(&self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}
