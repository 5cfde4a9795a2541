//! A client in the words of the Management API: what is read of a request, and what is shown.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use vestibule::http::Connector;
use vestibule::model::{TenantId, Timestamp};
use vestibule_sessions::{Client, ClientId, ClientSource};

use crate::error::ApiError;
use crate::logout::OidcLogout;

/// A member's name, whether a value is right for it, and what it has to be.
type Member = (&'static str, fn(&Value) -> bool, &'static str);

/// What else is stored of a client and returned, and what it has to be.
const KEPT: [Member; 28] = [
    ("description", |value| is_text(value, 140), "a text of at most 140 characters"),
    ("app_type", |value| is_text(value, 64), "a text of at most 64 characters"),
    ("logo_uri", |value| is_text(value, 2_000), "a URL of at most 2000 characters"),
    ("is_first_party", Value::is_boolean, BOOLEAN),
    ("client_metadata", is_metadata, "an object of at most 10 texts, with keys and values of at most 255 characters"),
    // Of no effect here: settings of the identity platform, stored so that a tool that keeps
    // clients in files finds them again.
    ("allowed_clients", is_list, LIST),
    ("allowed_logout_urls", is_list, LIST),
    ("allowed_origins", is_list, LIST),
    ("callbacks", is_list, LIST),
    ("client_aliases", is_list, LIST),
    ("grant_types", is_list, LIST),
    ("organization_discovery_methods", is_list, LIST),
    ("web_origins", is_list, LIST),
    ("initiate_login_uri", |value| is_text(value, 2_000), "a URL of at most 2000 characters"),
    ("organization_require_behavior", |value| is_text(value, 64), "a text of at most 64 characters"),
    ("organization_usage", |value| is_text(value, 64), "a text of at most 64 characters"),
    ("token_endpoint_auth_method", |value| is_text(value, 64), "a text of at most 64 characters"),
    ("cross_origin_authentication", Value::is_boolean, BOOLEAN),
    ("cross_origin_loc", |value| is_text(value, 2_000), "a URL of at most 2000 characters"),
    ("custom_login_page_on", Value::is_boolean, BOOLEAN),
    ("is_token_endpoint_ip_header_trusted", Value::is_boolean, BOOLEAN),
    ("oidc_conformant", Value::is_boolean, BOOLEAN),
    ("require_proof_of_possession", Value::is_boolean, BOOLEAN),
    ("require_pushed_authorization_requests", Value::is_boolean, BOOLEAN),
    ("skip_non_verifiable_callback_uri_confirmation_prompt", Value::is_boolean, BOOLEAN),
    ("sso", Value::is_boolean, BOOLEAN),
    ("sso_disabled", Value::is_boolean, BOOLEAN),
    ("compliance_level", |value| is_text(value, 64), "a text of at most 64 characters"),
];

/// The largest client that is stored, in bytes of JSON.
const LARGEST: usize = 32 << 10;
const BOOLEAN: &str = "true or false";
const LIST: &str = "an array of at most 100 texts of at most 2000 characters";

/// What else Auth0 defines of a client: accepted and ignored. Secrets, keys, and settings of
/// products that are not here.
const IGNORED: [&str; 39] = [
    "addons",
    "anonymous_sessions",
    "async_approval_notification_channels",
    "callback_url_template",
    "client_authentication_methods",
    "client_secret",
    "created_at",
    "cross_origin_auth",
    "custom_login_page",
    "custom_login_page_preview",
    "default_organization",
    "encryption_key",
    "express_configuration",
    "external_client_id",
    "external_metadata_created_by",
    "external_metadata_type",
    "fedcm_login",
    "form_template",
    "global",
    "identity_assertion_authorization_grant",
    "is_global",
    "jwks_uri",
    "jwt_configuration",
    "mobile",
    "my_organization_configuration",
    "native_social_login",
    "par_request_expiry",
    "redirection_policy",
    "refresh_token",
    "resource_server_identifier",
    "session_transfer",
    "signed_request_object",
    "signing_keys",
    "tenant",
    "third_party_security_mode",
    "token_exchange",
    "token_quota",
    "token_vault_privileged_access",
    "updated_at",
];

/// What an application wants to hear of logouts; and its older name.
const LOGOUT: [&str; 2] = ["oidc_logout", "oidc_backchannel_logout"];

/// What a request says of a client.
#[derive(Debug)]
pub(super) struct Given {
    id: Option<ClientId>,
    name: Option<String>,
    /// Members that are set, or (null) removed.
    kept: Map<String, Value>,
    /// As the caller sent it, by each of its names; null where it is removed. It is parsed before
    /// anything of it is stored.
    logout: [Option<Value>; 2],
}

impl Given {
    /// Reads a request's body.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ApiError> {
        let object: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| ApiError::invalid_body(error.to_string()))?;
        let mut given = Self { id: None, name: None, kept: Map::new(), logout: [None, None] };
        for (name, value) in object {
            match name.as_str() {
                "client_id" => {
                    let text = value.as_str().ok_or_else(|| ApiError::invalid_body("`client_id` is a text"))?;
                    given.id = Some(text.parse().map_err(|error| ApiError::invalid_body(format!("`client_id`: {error}")))?);
                }
                "name" => {
                    let name = value.as_str().filter(|name| !name.trim().is_empty() && is_text(&value, 255));
                    let name = name.ok_or_else(|| ApiError::invalid_body("`name` is a text of 1 to 255 characters"))?;
                    given.name = Some(name.to_owned());
                }
                name if name == LOGOUT[0] => given.logout[0] = Some(value),
                name if name == LOGOUT[1] => given.logout[1] = Some(value),
                name => match KEPT.iter().find(|(known, ..)| *known == name) {
                    Some((_, is_right, _)) if value.is_null() || is_right(&value) => {
                        given.kept.insert(name.to_owned(), without_repeats(value));
                    }
                    Some((_, _, what)) => return Err(ApiError::invalid_body(format!("`{name}` is {what}"))),
                    None if IGNORED.contains(&name) => {}
                    None => return Err(ApiError::invalid_body(unknown(name))),
                },
            }
        }
        Ok(given)
    }

    /// A client that is new. One that comes without an id gets one.
    pub(super) fn create(self, connector: &Connector, now: Timestamp) -> Result<Client, ApiError> {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => crate::request::random_id().parse().map_err(|error: vestibule::model::IdError| ApiError::internal(&error))?,
        };
        let name = self.name.clone().ok_or_else(|| ApiError::invalid_body("`name` is missing"))?;
        let client = Client {
            id,
            name,
            body: Map::new(),
            logout: None,
            source: ClientSource::Management,
            created_at: now,
            updated_at: now,
            revision: 1,
        };
        self.change(client, connector, now)
    }

    /// A client with what the request says.
    pub(super) fn change(&self, mut client: Client, connector: &Connector, now: Timestamp) -> Result<Client, ApiError> {
        if self.id.as_ref().is_some_and(|id| *id != client.id) {
            return Err(ApiError::invalid_body("a client's `client_id` stays what it is"));
        }
        if let Some(name) = &self.name {
            client.name.clone_from(name);
        }
        for (name, value) in &self.kept {
            if value.is_null() {
                client.body.remove(name);
            } else {
                client.body.insert(name.clone(), value.clone());
            }
        }
        // The older name comes first, so that of both the newer one counts.
        for sent in self.logout.iter().rev().flatten() {
            if sent.is_null() {
                client.body.remove(LOGOUT[0]);
                client.logout = None;
                continue;
            }
            let read = serde_path_to_error::deserialize::<_, OidcLogout>(sent);
            let mut parsed = read.map_err(|error| ApiError::invalid_body(format!("`oidc_logout`: {error}")))?;
            client.logout = parsed.read(connector).map_err(|error| ApiError::invalid_body(error.to_string()))?;
            // The parsed value, whose size is bounded: members that were left out stay out, lists
            // have each value once.
            let normalised = serde_json::to_value(&parsed).map_err(|error| ApiError::internal(&error))?;
            client.body.insert(LOGOUT[0].to_owned(), normalised);
        }
        let bytes = serde_json::to_string(&client.body).map_or(usize::MAX, |json| json.len());
        if bytes > LARGEST {
            let message =
                format!("the client's members have {bytes} bytes as JSON, at most {LARGEST} are stored; shorten its lists");
            return Err(ApiError::invalid_body(message));
        }
        client.updated_at = now;
        Ok(client)
    }
}

fn unknown(name: &str) -> String {
    let known: Vec<&str> = KEPT.iter().map(|(name, ..)| *name).collect();
    let name: String = name.chars().take(64).collect();
    format!("`{name}` is not a member of a client; what is stored of one: client_id, name, {}, oidc_logout", known.join(", "))
}

/// A list with each of its values once, in the order in which they come first.
fn without_repeats(value: Value) -> Value {
    let Value::Array(list) = value else { return value };
    let mut seen = BTreeSet::new();
    Value::Array(list.into_iter().filter(|one| seen.insert(one.to_string())).collect())
}

fn is_list(value: &Value) -> bool {
    value.as_array().is_some_and(|list| list.len() <= 100 && list.iter().all(|one| is_text(one, 2_000)))
}

fn is_text(value: &Value, most: usize) -> bool {
    value.as_str().is_some_and(|text| text.chars().count() <= most)
}

fn is_metadata(value: &Value) -> bool {
    value.as_object().is_some_and(|object| {
        object.len() <= 10 && object.iter().all(|(key, value)| key.chars().count() <= 255 && is_text(value, 255))
    })
}

/// A client as Auth0's API shows it.
pub(super) fn shown(client: &Client, tenant: &TenantId) -> Map<String, Value> {
    let mut json = Map::new();
    json.insert("client_id".to_owned(), client.id.as_str().into());
    json.insert("tenant".to_owned(), tenant.as_str().into());
    json.insert("name".to_owned(), client.name.as_str().into());
    let declared = client.logout.as_ref().filter(|_| !client.body.contains_key(LOGOUT[0])).map(OidcLogout::from);
    let declared = declared.and_then(|logout| serde_json::to_value(logout).ok());
    json.extend(declared.map(|logout| (LOGOUT[0].to_owned(), logout)));
    json.extend(client.body.clone());
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use vestibule::http::HttpSettings;

    fn created(body: Value) -> Result<Client, String> {
        let connector = Connector::new(&HttpSettings::default()).unwrap();
        let given = Given::read(body.to_string().as_bytes()).map_err(|error| format!("{error:?}"))?;
        given.create(&connector, Timestamp::from_millis(0)).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn a_client_is_shown_as_it_was_sent() {
        let logout = json!({
            "backchannel_logout_urls": ["https://shop.example/logout"],
            "backchannel_logout_initiators": { "mode": "custom", "selected_initiators": ["rp-logout", "session-revoked"] },
        });
        let client = created(json!({ "name": "Shop", "client_id": "shop", "oidc_logout": logout, "app_type": "spa" })).unwrap();
        assert!(client.logout.as_ref().is_some_and(|logout| !logout.include_session_metadata));
        let shown = shown(&client, &"acme".parse().unwrap());
        assert_eq!(
            Value::Object(shown),
            json!({
                "client_id": "shop", "tenant": "acme", "name": "Shop", "app_type": "spa", "oidc_logout": logout
            })
        );
    }

    #[test]
    fn oidc_logout_is_stored_as_the_parsed_value() {
        let initiators = vec!["rp-logout"; 20_000];
        let sent = json!({
            "backchannel_logout_urls": ["HTTPS://Shop.Example:443/logout", "https://shop.example/logout"],
            "backchannel_logout_initiators": { "selected_initiators": initiators },
            "backchannel_logout_session_metadata": null,
        });
        let client = created(json!({ "name": "Shop", "client_id": "shop", "oidc_logout": sent })).unwrap();
        assert_eq!(
            Value::Object(client.body),
            json!({
                "oidc_logout": {
                    "backchannel_logout_urls": ["https://shop.example/logout"],
                    "backchannel_logout_initiators": { "mode": "custom", "selected_initiators": ["rp-logout"] },
                }
            })
        );
        assert_eq!(client.logout.map(|logout| logout.urls.len()), Some(1));
    }

    #[test]
    fn members_of_auth0s_clients_are_stored_or_ignored() {
        let mut body = json!({ "name": "Shop", "client_id": "shop", "oidc_conformant": true });
        body["callbacks"] = json!(["https://shop.example/", "https://shop.example/"]);
        for ignored in IGNORED {
            body[ignored] = json!({ "any": "value" });
        }
        let client = created(body).unwrap();
        assert_eq!(
            Value::Object(shown(&client, &"acme".parse().unwrap())),
            json!({
                "client_id": "shop", "tenant": "acme", "name": "Shop", "callbacks": ["https://shop.example/"], "oidc_conformant": true
            })
        );
    }

    #[test]
    fn what_cant_be_is_told() {
        let with = |urls: Value| json!({ "name": "Shop", "oidc_logout": { "backchannel_logout_urls": urls } });
        for (body, told) in [
            (json!({}), "`name` is missing"),
            (json!({ "name": "" }), "1 to 255 characters"),
            (json!({ "name": "Shop", "callback": [] }), "`callback` is not a member of a client"),
            (json!({ "name": "Shop", "callbacks": [1] }), "`callbacks` is an array of at most 100 texts"),
            (
                json!({ "name": "Shop", "callbacks": vec!["https://shop.example/"; 101] }),
                "`callbacks` is an array of at most 100 texts",
            ),
            (json!({ "name": "Shop", "client_metadata": { "a": 1 } }), "`client_metadata` is an object of at most 10 texts"),
            (
                json!({ "name": "Shop", "callbacks": (0..100).map(|at| format!("{at:500}")).collect::<Vec<_>>() }),
                "at most 32768 are stored",
            ),
            (json!([]), "invalid type"),
            (with(json!(["http://shop.example/logout"])), "https"),
            (with(json!(["https://127.0.0.1/logout"])), "loopback"),
            (with(json!(["https://localhost:8443/logout"])), "loopback"),
            (with(json!(["https://[fd00::1]/logout"])), "private"),
            (with(json!(["https://shop.example/logout#a"])), "fragment"),
            (with(json!(["logout"])), "begins with https://"),
            (
                with(json!([
                    "https://a.example/",
                    "https://b.example/",
                    "https://c.example/",
                    "https://d.example/",
                    "https://e.example/",
                    "https://f.example/"
                ])),
                "at most 5",
            ),
            (json!({ "name": "Shop", "oidc_logout": { "backchannel_logout_urls": [], "colour": "red" } }), "colour"),
            (json!({ "name": "Shop", "oidc_logout": { "backchannel_logout_initiators": { "mode": "some" } } }), "mode"),
        ] {
            let error = created(body.clone()).unwrap_err();
            assert!(error.contains(told), "{body}: {error}");
        }
    }
}
