//! Who may call for a tenant: clients that this server gives tokens, and issuers whose tokens it
//! accepts.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use argon2::password_hash::phc::PasswordHash;
use thiserror::Error;
use url::Url;
use vestibule::http::Connector;
use vestibule_sessions::{ClientId, LogoutSettings};

use super::host::exists;
use super::section::Section;
use crate::logout::OidcLogout;

/// An application: one that gets tokens from this server, one that is told of a session's end, or
/// both.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Its id, as events have it.
    pub client_id: ClientId,
    /// What people call it; its id where nobody has said.
    pub name: Option<String>,
    /// How it gets tokens from this server.
    pub credentials: Option<Credentials>,
    /// What it is told of a session's end.
    pub logout: Option<LogoutSettings>,
}

/// How a client gets tokens from this server: by the client credentials grant (RFC 6749, section
/// 4.4).
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Its secret's hash: argon2id in PHC form, as `vestibule hash-secret` writes it.
    pub secret_hash: String,
    /// What its tokens are good for.
    pub scopes: BTreeSet<Scope>,
}

/// An issuer whose access tokens are accepted: RS256 and ES256.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// Its name, as `iss` has it, to the letter.
    pub issuer: String,
    /// What `aud` has to have one of; the tenant's own Management API where there are none.
    pub audiences: Vec<String>,
    /// What its tokens may be good for: another scope in a token counts for nothing.
    pub scopes: BTreeSet<Scope>,
    /// Where its keys are.
    pub keys: KeySource,
}

/// Where an issuer's public keys are: a JSON Web Key Set (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In a file.
    File(PathBuf),
    /// At a URL, from which they are fetched when they are needed.
    Url(Url),
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `update:session`: to read and to change sessions.
    UpdateSession,
    /// `read:sessions`: to read sessions.
    ReadSessions,
    /// `update:sessions`: to change sessions.
    UpdateSessions,
    /// `delete:sessions`: to end sessions.
    DeleteSessions,
    /// `run:post-login`: to run a login.
    RunPostLogin,
    /// `read:logs`: to read the tenant's log.
    ReadLogs,
    /// `read:clients`: to read applications.
    ReadClients,
    /// `create:clients`: to create applications.
    CreateClients,
    /// `update:clients`: to change applications.
    UpdateClients,
    /// `delete:clients`: to delete applications.
    DeleteClients,
    /// `read:actions`: to read Actions, their versions and bindings, and executions.
    ReadActions,
    /// `create:actions`: to create Actions.
    CreateActions,
    /// `update:actions`: to change, deploy and bind Actions.
    UpdateActions,
    /// `delete:actions`: to delete Actions.
    DeleteActions,
    /// `update:action_policy`: to say which capabilities Actions may use.
    UpdateActionPolicy,
}

/// A text that is no scope of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "not a scope: `update:session`, `read:sessions`, `update:sessions`, `delete:sessions`, `run:post-login`, `read:logs`, `read:clients`, \
     `create:clients`, `update:clients`, `delete:clients`, `read:actions`, `create:actions`, `update:actions`, `delete:actions`, \
     `update:action_policy`"
)]
pub struct ScopeError;

impl Scope {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::UpdateSession,
        Self::ReadSessions,
        Self::UpdateSessions,
        Self::DeleteSessions,
        Self::RunPostLogin,
        Self::ReadLogs,
        Self::ReadClients,
        Self::CreateClients,
        Self::UpdateClients,
        Self::DeleteClients,
        Self::ReadActions,
        Self::CreateActions,
        Self::UpdateActions,
        Self::DeleteActions,
        Self::UpdateActionPolicy,
    ];

    /// As tokens have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UpdateSession => "update:session",
            Self::ReadSessions => "read:sessions",
            Self::UpdateSessions => "update:sessions",
            Self::DeleteSessions => "delete:sessions",
            Self::RunPostLogin => "run:post-login",
            Self::ReadLogs => "read:logs",
            Self::ReadClients => "read:clients",
            Self::CreateClients => "create:clients",
            Self::UpdateClients => "update:clients",
            Self::DeleteClients => "delete:clients",
            Self::ReadActions => "read:actions",
            Self::CreateActions => "create:actions",
            Self::UpdateActions => "update:actions",
            Self::DeleteActions => "delete:actions",
            Self::UpdateActionPolicy => "update:action_policy",
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(ScopeError)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(super) fn clients(tenant: &Section<'_>, connector: Option<&Connector>) -> Vec<ClientSettings> {
    let mut known = BTreeSet::new();
    let clients = tenant.sections("clients").into_iter().filter_map(|client| {
        let id =
            client.required::<ClientId>("client_id", "write the name that the client authenticates by, and that events have");
        let name = client.text("name").map(|name| name.value.to_owned());
        let credentials = credentials(&client);
        let is_told = client.has("oidc_logout");
        let logout = logout(&client, connector);
        if credentials.is_none() && !is_told && !client.has("secret_hash") && !client.has("scopes") {
            let remedy =
                "write `secret_hash` and `scopes` for one that gets tokens, `oidc_logout` for one that is told of logouts";
            client.source.mistake(&client.span, "this client does nothing", remedy);
        }
        if let Some(id) = &id
            && !known.insert(id.value.clone())
        {
            client.source.mistake(&id.span, format!("the client {} is there twice", id.value), "leave one of them out");
        }
        client.finish();
        Some(ClientSettings { client_id: id?.value, name, credentials, logout })
    });
    clients.collect()
}

/// None where the client gets no tokens, or a mistake has been told.
fn credentials(client: &Section<'_>) -> Option<Credentials> {
    if !client.has("secret_hash") && !client.has("scopes") {
        return None;
    }
    let remedy = "write what `vestibule hash-secret` prints for the client's secret";
    let hash = client.required::<String>("secret_hash", remedy);
    let scopes: BTreeSet<Scope> = client.list::<Scope>("scopes").into_iter().map(|scope| scope.value).collect();
    if scopes.is_empty() {
        client.missing("scopes", "a client that gets tokens is good for something: `scopes = [\"run:post-login\"]`");
    }
    if let Some(hash) = &hash {
        let is_right = PasswordHash::new(&hash.value).is_ok_and(|parsed| parsed.algorithm.as_str() == "argon2id");
        if !is_right {
            // What stands there may be the secret itself.
            client.source.mistake(&hash.span, "`secret_hash` is no argon2id hash", remedy);
        }
    }
    Some(Credentials { secret_hash: hash?.value, scopes })
}

/// In the words of the Management API.
fn logout(client: &Section<'_>, connector: Option<&Connector>) -> Option<LogoutSettings> {
    let given = client.json("oidc_logout")?;
    let connector = connector?;
    let settings = serde_path_to_error::deserialize::<_, OidcLogout>(given.value).map_err(|error| error.to_string());
    match settings.and_then(|mut settings| settings.read(connector).map_err(|error| error.to_string())) {
        Ok(settings) => settings,
        Err(error) => {
            let remedy = "as in the Management API: { backchannel_logout_urls = [\"https://…\"], backchannel_logout_initiators = { mode = \"all\" } }";
            client.source.mistake(&given.span, format!("`oidc_logout`: {error}"), remedy);
            None
        }
    }
}

pub(super) fn issuers(tenant: &Section<'_>) -> Vec<IssuerSettings> {
    let issuers = tenant.sections("issuers").into_iter().filter_map(|issuer| {
        let name = issuer.required::<String>("issuer", "write the issuer as its tokens have it in `iss`");
        let audiences = issuer.list::<String>("audiences").into_iter().map(|audience| audience.value).collect();
        let scopes: BTreeSet<Scope> = issuer.list::<Scope>("scopes").into_iter().map(|scope| scope.value).collect();
        if scopes.is_empty() {
            let remedy = "write what this issuer's tokens may be good for at most: `scopes = [\"run:post-login\"]`";
            issuer.missing("scopes", remedy);
        }
        let file = issuer.text("jwks").map(|path| {
            let found = issuer.source.path(path.value);
            exists(&issuer, &found, &path.span);
            KeySource::File(found)
        });
        let url = issuer.parsed::<Url>("jwks_url").map(|url| {
            if url.value.scheme() != "https" && !is_loopback(&url.value) {
                let what = "keys come by https: whoever could change them could issue tokens";
                issuer.source.mistake(&url.span, what, "http is for this machine alone");
            }
            KeySource::Url(url.value)
        });
        let keys = match (file, url) {
            (Some(keys), None) | (None, Some(keys)) => Some(keys),
            _ => {
                let remedy = "write one of `jwks` (a file) and `jwks_url`";
                issuer.source.mistake(&issuer.span, "an issuer's keys are in one place", remedy);
                None
            }
        };
        issuer.finish();
        Some(IssuerSettings { issuer: name?.value, audiences, scopes, keys: keys? })
    });
    issuers.collect()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
