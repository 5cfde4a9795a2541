//! How applications are told that a session has ended: of the server as a whole, and of each
//! tenant.

use std::path::PathBuf;
use std::sync::Arc;

use url::Url;
use vestibule::http::{Connector, HttpSettings, IpNet, Resolve, RootCertificate};

use super::host::{HostName, exists};
use super::lifetime::Lifetime;
use super::public_url::PublicUrl;
use super::section::Section;
use crate::keys::SigningAlgorithm;

/// How logout tokens are sent.
#[derive(Clone, Debug)]
pub struct DeliverySettings {
    /// The networks and authorities that they may go to beside what the Internet can reach and
    /// browsers trust.
    pub http: HttpSettings,
    /// How long it is tried.
    pub give_up_after: Lifetime,
}

/// What a tenant's logout tokens are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutTokenSettings {
    /// `iss`: the issuer of the ID tokens that its applications have, to the letter.
    pub issuer: String,
    /// By what the key signs that is made at the first start.
    pub algorithm: SigningAlgorithm,
}

/// After a day a session that nobody heard the end of has mostly ended by itself.
const GIVE_UP_AFTER: Lifetime = Lifetime::days(1);

/// The settings, and the connector that says which logout URLs are possible with them. None only
/// where a mistake has been told.
pub(super) fn delivery(file: &Section<'_>, resolver: &Arc<dyn Resolve>) -> Option<(DeliverySettings, Arc<Connector>)> {
    let http = HttpSettings { resolver: Arc::clone(resolver), ..HttpSettings::default() };
    let mut settings = DeliverySettings { http, give_up_after: GIVE_UP_AFTER };
    let section = file.section("logout");
    if let Some(section) = &section {
        let networks = section.list::<IpNet>("allowed_networks");
        settings.http.allowed_networks = networks.into_iter().map(|network| network.value).collect();
        settings.give_up_after = section.parsed::<Lifetime>("give_up_after").map_or(GIVE_UP_AFTER, |given| given.value);
        if let Some(path) = section.parsed::<PathBuf>("authorities") {
            let found = section.source.path(&path.value.to_string_lossy());
            exists(section, &found, &path.span);
            let read = std::fs::read(&found).map_err(|error| error.to_string());
            match read.and_then(|pem| RootCertificate::from_pem(&pem).map_err(|error| error.to_string())) {
                Ok(roots) => settings.http.root_certificates = roots,
                Err(reason) => {
                    let what = format!("`logout.authorities`: {reason}");
                    section.source.mistake(&path.span, what, "write the path of certificates of authorities, in PEM");
                }
            }
        }
        section.finish();
    }
    match Connector::new(&settings.http) {
        Ok(connector) => Some((settings, Arc::new(connector))),
        Err(error) => {
            file.source.mistake(&section.map_or(0..0, |section| section.span), error.to_string(), "");
            None
        }
    }
}

/// A tenant's own part.
pub(super) fn token(tenant: &Section<'_>, hosts: &[HostName], public_url: Option<&PublicUrl>) -> LogoutTokenSettings {
    let first = || hosts.first().map(|host| format!("https://{}/", host.in_url())).unwrap_or_default();
    let own = public_url.map_or_else(first, |url| format!("{}/", url.as_str()));
    let mut settings = LogoutTokenSettings { issuer: own, algorithm: SigningAlgorithm::Rs256 };
    if let Some(section) = tenant.section("logout") {
        if let Some(issuer) = section.parsed::<Url>("issuer") {
            if issuer.value.query().is_some() || issuer.value.fragment().is_some() {
                section.source.mistake(
                    &issuer.span,
                    "an issuer has no query and no fragment",
                    "write it as the ID tokens have it",
                );
            }
            // To the letter: a slash at the end that a parser adds makes it another one.
            settings.issuer = section.text("issuer").map_or(settings.issuer, |issuer| issuer.value.to_owned());
        }
        settings.algorithm = section.parsed("algorithm").map_or(settings.algorithm, |given| given.value);
        section.finish();
    }
    settings
}
