//! A session as the Management API shows it, and as its caller changes it.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use vestibule::model::event::CookieMode;
use vestibule::model::{Metadata, MetadataError, Timestamp};
use vestibule_sessions::{Actor, Device, Method, Session, SessionClient};

use super::shapes;
use crate::error::ApiError;

/// A session.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionBody {
    id: String,
    user_id: String,
    /// ISO 8601, as the other times.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    authenticated_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    idle_expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    last_interacted_at: Timestamp,
    #[schema(value_type = shapes::Device)]
    device: Device,
    #[schema(value_type = Vec<shapes::SessionClient>)]
    clients: Vec<SessionClient>,
    authentication: AuthenticationBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookie: Option<CookieBody>,
    /// `null` where there is none.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    session_metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<shapes::Actor>)]
    actor: Option<Actor>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct AuthenticationBody {
    #[schema(value_type = Vec<shapes::SessionMethod>)]
    methods: Vec<Method>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct CookieBody {
    #[schema(value_type = shapes::CookieMode)]
    mode: CookieMode,
}

impl From<Session> for SessionBody {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.to_string(),
            user_id: session.user.to_string(),
            created_at: session.created_at,
            updated_at: session.updated_at,
            authenticated_at: session.authenticated_at,
            idle_expires_at: session.idle_expires_at,
            expires_at: session.expires_at,
            last_interacted_at: session.last_interacted_at,
            device: session.device,
            clients: session.clients,
            authentication: AuthenticationBody { methods: session.methods },
            cookie: session.cookie.map(|mode| CookieBody { mode }),
            session_metadata: Some(session.metadata).filter(|metadata| !metadata.is_empty()),
            actor: session.actor,
        }
    }
}

/// A change of a session: the metadata that it has from now on.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = SessionUpdate)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateBody {
    #[schema(schema_with = changed_metadata)]
    session_metadata: Present,
}

/// The rules of metadata, as the document has them.
fn changed_metadata() -> ObjectBuilder {
    let key = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9_-]{1,255}$"));
    let value = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null])).max_length(Some(255));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .description(Some("Takes the place of what is there. `{}` and `null` clear it; an entry that is `null` is left out."))
        .property_names(Some(key))
        .additional_properties(Some(value))
        .max_properties(Some(25))
}

/// A member that has to be there, and may be `null`.
#[derive(Debug)]
struct Present(Option<serde_json::Map<String, serde_json::Value>>);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => Ok(Self(None)),
            serde_json::Value::Object(object) => Ok(Self(Some(object))),
            _ => Err(D::Error::custom("`session_metadata` is an object of strings, or null")),
        }
    }
}

/// What Auth0 says of metadata that is too large.
const TOO_LARGE: &str = "Metadata must not exceed 25 entries. Each key and value must be ≤ 255 characters.";

impl UpdateBody {
    /// Reads a body of JSON.
    ///
    /// # Errors
    /// When it isn't JSON, or not metadata that keeps the rules.
    pub(crate) fn metadata(json: &[u8]) -> Result<Metadata, ApiError> {
        // An array of the members would be taken for the object otherwise.
        if !json.trim_ascii_start().starts_with(b"{") {
            return Err(ApiError::invalid_body("Payload validation error: the body is not a JSON object"));
        }
        let body: Self = serde_json::from_slice(json).map_err(|error| {
            // The parser's words have a place and the names of members, and never a value.
            ApiError::invalid_body(format!("Payload validation error: {error}"))
        })?;
        let mut metadata = Metadata::default();
        for (key, value) in body.session_metadata.0.unwrap_or_default() {
            let parsed = key.parse().map_err(refused)?;
            match value {
                serde_json::Value::String(value) => metadata.set(parsed, &value).map_err(refused)?,
                // As in an Action, null deletes; of metadata that is given as a whole nothing is
                // left of the entry.
                serde_json::Value::Null => {}
                other => {
                    let kind = match other {
                        serde_json::Value::Bool(_) => "a boolean",
                        serde_json::Value::Number(_) => "a number",
                        serde_json::Value::Array(_) => "an array",
                        _ => "an object",
                    };
                    return Err(ApiError::invalid_body(format!(
                        "Invalid metadata: the value of `{key}` is {kind}; values are strings"
                    )));
                }
            }
        }
        Ok(metadata)
    }
}

fn refused(error: MetadataError) -> ApiError {
    match error {
        MetadataError::TooManyEntries(_) | MetadataError::KeyTooLong(_) | MetadataError::ValueTooLong(_) => {
            ApiError::invalid_body(TOO_LARGE)
        }
        MetadataError::KeyNotAllowed(_) => {
            ApiError::invalid_body("Invalid metadata: Metadata keys may only include letters, numbers, underscores, or hyphens.")
        }
        error => ApiError::invalid_body(format!("Invalid metadata: {error}")),
    }
}
