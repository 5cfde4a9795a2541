//! Where the database is: its URL, and what protects the way there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::PostgresSettings;
use crate::error::StoreError;

/// What a URL says.
pub(super) struct Place {
    pub(super) config: Config,
    /// Hosts and database, as errors name them; never the user or the password.
    pub(super) name: String,
    pub(super) tls: ClientConfig,
}

impl Place {
    /// Reads a URL. `sslmode` and `sslrootcert` are read here: the client knows only some of their
    /// values.
    pub(super) fn read(url: &str, settings: &PostgresSettings) -> Result<Self, StoreError> {
        let wrong = |reason: String| StoreError::Unreachable { database: "of the URL".into(), reason };
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(wrong("a URL that begins with postgres:// is needed".into()));
        }
        let Parts { rest, mode, authorities } = Parts::of(url);
        // It names what it doesn't know, and quotes no value.
        let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| wrong(super::errors::reason(&error)))?;
        let hosts: Vec<String> = config.get_hosts().iter().map(host_name).collect();
        if hosts.iter().any(|host| host.contains('@')) {
            return Err(wrong("it has more than one `@`; in a user or a password write %40".into()));
        }
        let name = format!("{}/{}", hosts.join(","), config.get_dbname().unwrap_or_default());
        config.ssl_mode(match mode.as_deref() {
            None if config.get_hosts().iter().all(is_this_machine) => SslMode::Disable,
            Some("disable") => SslMode::Disable,
            Some("allow" | "prefer") => SslMode::Prefer,
            // The server's certificate is always checked, name and all.
            None | Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some(_) => return Err(wrong("`sslmode` is disable, allow, prefer, require, verify-ca or verify-full".into())),
        });
        if config.get_connect_timeout().is_none() {
            // Of several hosts the last has time left, too.
            let hosts = u32::try_from(hosts.len()).unwrap_or(u32::MAX).max(1);
            config.connect_timeout(settings.connect / hosts);
        }
        if config.get_application_name().is_none() {
            config.application_name("vestibule");
        }
        if let Some(limits) = settings.pooler.options(settings.statement) {
            // What the URL says comes later, and counts.
            let options = config.get_options().map_or_else(|| limits.clone(), |options| format!("{limits} {options}"));
            config.options(options);
        }
        end_silent_connections(&mut config, settings);
        let tls = tls(authorities.as_deref()).map_err(wrong)?;
        Ok(Self { config, name, tls })
    }
}

/// The system closes a connection whose other end is gone without a word, also while nothing is
/// asked on it.
fn end_silent_connections(config: &mut Config, settings: &PostgresSettings) {
    const IDLE: Duration = Duration::from_secs(10);
    const INTERVAL: Duration = Duration::from_secs(5);
    const RETRIES: u32 = 3;
    // What the URL says, counts.
    let default = Config::new();
    if config.get_keepalives_idle() == default.get_keepalives_idle() {
        config.keepalives_idle(IDLE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(INTERVAL);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(RETRIES);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(settings.call);
    }
}

struct Parts {
    rest: String,
    mode: Option<String>,
    authorities: Option<String>,
}

impl Parts {
    fn of(url: &str) -> Self {
        let mut parts = Self { rest: String::new(), mode: None, authorities: None };
        let Some((before, query)) = url.split_once('?') else {
            return Self { rest: url.to_owned(), ..parts };
        };
        let mut others = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", mode)) => parts.mode = Some(mode.to_owned()),
                Some(("sslrootcert", path)) => parts.authorities = Some(path.replace("%2F", "/").replace("%2f", "/")),
                _ => others.push(pair),
            }
        }
        parts.rest = if others.is_empty() { before.to_owned() } else { format!("{before}?{}", others.join("&")) };
        parts
    }
}

fn host_name(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    }
}

/// What goes to this machine crosses no network.
fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// Trusts the authorities in this file, or else those that browsers trust.
fn tls(authorities: Option<&str>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match authorities {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let unreadable = |error: &dyn std::fmt::Display| format!("`sslrootcert` {path}: {error}");
            for certificate in CertificateDer::pem_file_iter(Path::new(path)).map_err(|error| unreadable(&error))? {
                let certificate = certificate.map_err(|error| unreadable(&error))?;
                roots.add(certificate).map_err(|error| unreadable(&error))?;
            }
            if roots.is_empty() {
                return Err(unreadable(&"no certificate is in it"));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(versions.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Place, StoreError> {
        Place::read(url, &PostgresSettings::default())
    }

    #[test]
    fn what_crosses_a_network_is_encrypted_unless_the_url_says_otherwise() {
        let cases = [
            ("postgres://u:p@db.example/vestibule", SslMode::Require),
            ("postgres://u:p@localhost/vestibule", SslMode::Disable),
            ("postgres://u:p@127.0.0.1:5433/vestibule", SslMode::Disable),
            ("postgres:///vestibule?host=/run/postgresql", SslMode::Disable),
            ("postgres://u:p@localhost,db.example/vestibule", SslMode::Require),
            ("postgres://u:p@db.example/vestibule?sslmode=disable", SslMode::Disable),
            ("postgres://u:p@db.example/vestibule?sslmode=prefer", SslMode::Prefer),
            ("postgresql://u:p@localhost/vestibule?sslmode=verify-full&application_name=x", SslMode::Require),
        ];
        for (url, expected) in cases {
            assert_eq!(read(url).unwrap().config.get_ssl_mode(), expected, "{url}");
        }
    }

    #[test]
    fn silent_connections_end_unless_the_url_says_otherwise() {
        let config = read("postgres://u@db.example/vestibule").unwrap().config;
        assert_eq!(config.get_tcp_user_timeout(), Some(&PostgresSettings::default().call));
        assert_eq!(config.get_keepalives_idle(), Duration::from_secs(10));
        let config = read("postgres://u@db.example/vestibule?tcp_user_timeout=60&keepalives_idle=90").unwrap().config;
        assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_secs(60)));
        assert_eq!(config.get_keepalives_idle(), Duration::from_secs(90));
    }

    #[test]
    fn a_database_is_named_without_its_user_and_password() {
        assert_eq!(read("postgres://anna:hunter2@db.example:5433/vestibule").unwrap().name, "db.example/vestibule");
    }

    #[test]
    fn a_url_that_is_wrong_is_refused_without_its_password() {
        let wrong = [
            "mysql://anna:hunter2@db.example/vestibule",
            "postgres://anna:hunter2@db.example:port/vestibule",
            "postgres://anna:hunter2@db.example/vestibule?sslmode=perhaps",
            "postgres://anna:hunter2@db.example/vestibule?unknown=1",
            "postgres://anna:hun@ter2@db.example/vestibule",
            "postgres://anna:hunter2@db.example/vestibule?sslrootcert=/there/is/none.pem",
        ];
        for url in wrong {
            let error = read(url).err().expect(url).to_string();
            assert!(!error.contains("hunter2") && !error.contains("ter2"), "{error}");
        }
    }
}
