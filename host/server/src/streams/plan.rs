//! What a stream is made of, from the configuration and its secret.

use vestibule::model::TenantId;
use vestibule_sessions::LogKind;

use super::webhook::SigningSecret;
use crate::config::{Configuration, Reference, StreamFile, StreamName, StreamSettings, StreamTarget, stream};
use crate::post;
use crate::tenant::TenantError;

/// A stream, as it is sent. Two that are equal are one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(super) tenant: TenantId,
    pub(super) name: StreamName,
    pub(super) kinds: Vec<LogKind>,
    pub(super) target: Target,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    Webhook { receiver: String, path: String, secrets: Vec<SigningSecret> },
    File(StreamFile),
}

/// All streams of a configuration.
///
/// # Errors
/// Which secrets can't be used, of which streams.
pub(crate) fn plans(configuration: &Configuration) -> Result<Vec<Plan>, Vec<TenantError>> {
    let mut plans = Vec::new();
    let mut errors = Vec::new();
    for (tenant, settings) in &configuration.tenants {
        for stream in &settings.streams {
            match plan(tenant, stream) {
                Ok(plan) => plans.push(plan),
                Err(error) => errors.push(error),
            }
        }
    }
    if errors.is_empty() { Ok(plans) } else { Err(errors) }
}

fn plan(tenant: &TenantId, stream: &StreamSettings) -> Result<Plan, TenantError> {
    let StreamSettings { name, kinds, target, line } = stream;
    let target = match target {
        StreamTarget::Webhook { url, secret, old_secret } => {
            let wrong =
                |reason: String| TenantError::StreamSecret { tenant: tenant.clone(), stream: name.clone(), line: *line, reason };
            let read = |reference: &Reference| -> Result<SigningSecret, TenantError> {
                let secret = reference.value().map_err(|error| wrong(error.to_string()))?;
                secret.parse().map_err(|error: super::SigningSecretError| wrong(error.to_string()))
            };
            let secrets = std::iter::once(secret).chain(old_secret).map(read).collect::<Result<_, _>>()?;
            Target::Webhook { receiver: stream::receiver(url), path: post::path(url).to_owned(), secrets }
        }
        StreamTarget::File(file) => Target::File(file.clone()),
    };
    Ok(Plan { tenant: tenant.clone(), name: name.clone(), kinds: kinds.clone(), target })
}
