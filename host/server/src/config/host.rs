//! What the server as a whole is told: where it listens, where it keeps things, what the sandbox
//! allows.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;
use vestibule::Config;
use vestibule::http::{HttpSettings, IpNet, NameServer, Resolve, SystemResolver};
use vestibule_sessions::{Pooler, PostgresSettings};

use super::reference::Reference;
use super::section::Section;

/// Where the server listens.
#[derive(Clone, Debug)]
pub struct ListenSettings {
    /// The address and the port; port 0 lets the system choose one.
    pub address: SocketAddr,
    /// The certificate; none where something in front of the server has it.
    pub tls: Option<TlsSettings>,
    /// Whether the name of the host is taken from `X-Forwarded-Host`: only where a proxy in front
    /// sets it.
    pub trust_forwarded_host: bool,
}

/// A certificate and its key, both in PEM.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// The certificate and those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where sessions are kept.
#[derive(Clone, Debug)]
pub enum StoreSettings {
    /// In a file of this machine.
    Sqlite(PathBuf),
    /// In a PostgreSQL database.
    Postgres(DatabaseSettings),
}

/// How a PostgreSQL database is reached.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// Its URL, which may hold a password.
    pub url: Reference,
    /// Connections of this server at most, beside one that listens.
    pub connections: usize,
    /// What stands between this server and the database.
    pub pooler: Pooler,
}

/// Connections of a command that does one thing with the store of a server.
const COMMAND: usize = 2;

/// The most connections of one server: PostgreSQL has 100 for all by default, and a process for
/// each.
const MOST_CONNECTIONS: u64 = 1_000;

impl StoreSettings {
    /// The same store, for a command that runs beside the server and takes few of the database's
    /// connections.
    #[must_use]
    pub fn for_command(&self) -> Self {
        match self {
            Self::Postgres(database) => {
                Self::Postgres(DatabaseSettings { connections: COMMAND.min(database.connections), ..database.clone() })
            }
            Self::Sqlite(path) => Self::Sqlite(path.clone()),
        }
    }
}

/// How the server's own log is written, on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line of JSON for each event.
    #[default]
    Json,
    /// For people.
    Text,
}

pub(super) fn listen(file: &Section<'_>) -> Option<ListenSettings> {
    let address = file.required::<SocketAddr>("listen", "write `listen = \"127.0.0.1:8080\"`: an address and a port")?;
    let trust_forwarded_host = file.flag("trust_forwarded_host").unwrap_or_default();
    let tls = match file.section("tls") {
        Some(section) => {
            let path = |key, remedy| {
                let path = section.required::<PathBuf>(key, remedy)?;
                let found = file.source.path(&path.value.to_string_lossy());
                exists(&section, &found, &path.span);
                Some(found)
            };
            let certificate = path("certificate", "write the path of the certificate's chain, in PEM");
            let key = path("key", "write the path of the certificate's private key, in PEM");
            section.finish();
            Some(TlsSettings { certificate: certificate?, key: key? })
        }
        None => None,
    };
    Some(ListenSettings { address: address.value, tls, trust_forwarded_host })
}

/// Says so where a file isn't there.
pub(super) fn exists(section: &Section<'_>, path: &Path, span: &std::ops::Range<usize>) {
    if !path.exists() {
        section.source.mistake(
            span,
            format!("{} is not there", path.display()),
            "paths count from the configuration's own folder",
        );
    }
}

pub(super) fn store(file: &Section<'_>, state: &Path) -> Option<StoreSettings> {
    let Some(section) = file.section("store") else { return Some(StoreSettings::Sqlite(state.join("vestibule.db"))) };
    let sqlite = section.text("sqlite");
    let postgres = section.section("postgres");
    let connections = section.number("connections");
    let pooler = section.parsed::<Pooler>("pooler");
    section.finish();
    if let (None, Some(span)) =
        (&postgres, connections.as_ref().map(|read| &read.span).or(pooler.as_ref().map(|read| &read.span)))
    {
        section.source.mistake(span, "only a store in PostgreSQL has connections", "leave it out, or write `postgres`");
    }
    let connections = match connections {
        None => Some(PostgresSettings::default().connections),
        Some(read) if (1..=MOST_CONNECTIONS).contains(&read.value) => usize::try_from(read.value).ok(),
        Some(read) => {
            let what = format!("`store.connections` is {}, and has to be from 1 to {MOST_CONNECTIONS}", read.value);
            section.source.mistake(&read.span, what, "with all servers together it stays below PostgreSQL's `max_connections`");
            None
        }
    };
    match (sqlite, postgres) {
        (Some(_), Some(postgres)) => {
            section.source.mistake(&postgres.span, "a store is either `sqlite` or `postgres`", "leave one of them out");
            None
        }
        (Some(path), None) => Some(StoreSettings::Sqlite(file.source.path(path.value))),
        (None, Some(postgres)) => {
            let url = Reference::read(&postgres)?;
            let pooler = pooler.map(|read| read.value).unwrap_or_default();
            Some(StoreSettings::Postgres(DatabaseSettings { url, connections: connections?, pooler }))
        }
        (None, None) => Some(StoreSettings::Sqlite(state.join("vestibule.db"))),
    }
}

/// What resolves the names of hosts to which requests go: Actions', logout tokens', streams' and
/// those for issuers' keys.
pub(super) fn resolver(file: &Section<'_>) -> Arc<dyn Resolve> {
    let Some(section) = file.section("dns") else { return Arc::new(SystemResolver::default()) };
    let name_servers = section.list::<NameServer>("name_servers");
    if name_servers.is_empty() {
        section.missing(
            "name_servers",
            "write `dns = { name_servers = [\"10.0.0.2\"] }`, or leave `dns` out: the system's are asked",
        );
    }
    section.finish();
    Arc::new(SystemResolver::with_name_servers(name_servers.into_iter().map(|server| server.value).collect()))
}

pub(super) fn sandbox(file: &Section<'_>, resolver: &Arc<dyn Resolve>) -> Config {
    let count_fuel = file.flag("count_fuel").unwrap_or(true);
    let http = HttpSettings { resolver: Arc::clone(resolver), ..HttpSettings::default() };
    let mut settings = Config { http, count_fuel, ..Config::default() };
    if let Some(section) = file.section("limits") {
        for (name, member) in section.members() {
            let Some(amount) = member.amount() else { continue };
            let set = settings.limits.set(name.value, &amount.value);
            let set = or_unknown(set, || settings.flow_limits.set(name.value, &amount.value));
            let set = or_unknown(set, || settings.tenant_limits.set(name.value, &amount.value));
            let set = or_unknown(set, || settings.host_limits.set(name.value, &amount.value));
            tell(&section, &name.span, &amount.span, set);
        }
    }
    settings.http.allowed_networks = file.list::<IpNet>("allowed_networks").into_iter().map(|network| network.value).collect();
    settings
}

use vestibule::limits::LimitError;

/// The next group of limits, where one doesn't know the name.
pub(super) fn or_unknown(set: Result<(), LimitError>, next: impl FnOnce() -> Result<(), LimitError>) -> Result<(), LimitError> {
    match set {
        Err(LimitError::Unknown { .. }) => next(),
        set => set,
    }
}

/// Says what is wrong with a limit.
pub(super) fn tell(
    section: &Section<'_>,
    name: &std::ops::Range<usize>,
    amount: &std::ops::Range<usize>,
    set: Result<(), LimitError>,
) {
    match set {
        Ok(()) => {}
        Err(error @ LimitError::Unknown { .. }) => {
            section.source.mistake(name, error.to_string(), "`vestibule limits` shows all limits");
        }
        Err(error) => section.source.mistake(amount, error.to_string(), ""),
    }
}

pub(super) fn log(file: &Section<'_>) -> LogFormat {
    match file.text("log") {
        None => LogFormat::default(),
        Some(format) if format.value == "json" => LogFormat::Json,
        Some(format) if format.value == "text" => LogFormat::Text,
        Some(format) => {
            file.source.mistake(&format.span, format!("`log` can't be {:?}", format.value), "write \"json\" or \"text\"");
            LogFormat::default()
        }
    }
}

/// The name that a tenant is known by: a host's name, without a port, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Box<str>);

/// A text that is no host's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a host's name: letters, digits, `-` and `.`, or an IP address; without scheme, port and path")]
pub struct HostNameError;

impl HostName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in a URL: an IPv6 address stands in brackets there.
    pub(crate) fn in_url(&self) -> Cow<'_, str> {
        if self.0.contains(':') { format!("[{}]", self.0).into() } else { Cow::Borrowed(&self.0) }
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let is_right = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | ':');
        let is_address = text.contains(':');
        if text.is_empty() || text.len() > 253 || !text.chars().all(is_right) {
            return Err(HostNameError);
        }
        if is_address && text.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(HostNameError);
        }
        Ok(Self(text.trim_end_matches('.').to_ascii_lowercase().into()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
