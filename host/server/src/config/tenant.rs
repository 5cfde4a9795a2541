//! A tenant: its names, its Actions in their order, and who may call for it.

use std::collections::BTreeMap;

use vestibule::capability::CapabilityPolicy;
use vestibule::http::Connector;
use vestibule::limits::{FlowLimits, Limits};
use vestibule::model::TenantId;

use super::action::{self, ActionSettings};
use super::actions;
use super::client::{self, ClientSettings, IssuerSettings};
use super::host::{HostName, or_unknown, tell};
use super::lifetime::Lifetime;
use super::logout::{self, LogoutTokenSettings};
use super::public_url::PublicUrl;
use super::section::Section;
use super::stream::{self, Files, StreamSettings};

/// A tenant.
#[derive(Clone, Debug)]
pub struct TenantSettings {
    /// Its id, as its events have it.
    pub id: TenantId,
    /// The host names that it is called by.
    pub hosts: Vec<HostName>,
    /// How its URLs begin for others, where a proxy stands in front of the server.
    pub public_url: Option<PublicUrl>,
    /// Its post-login Actions, in the order in which they run.
    pub actions: Vec<ActionSettings>,
    /// Which capabilities those Actions may use that are deployed to a server that runs.
    pub capabilities: CapabilityPolicy,
    /// Lower limits for each of its Actions, and for those of one login together.
    pub limits: Limits,
    /// See `limits`.
    pub flow_limits: FlowLimits,
    /// What its logout tokens are.
    pub logout: LogoutTokenSettings,
    /// Its applications: who gets tokens from this server, and who is told of a session's end.
    pub clients: Vec<ClientSettings>,
    /// Whose tokens are accepted beside this server's own.
    pub issuers: Vec<IssuerSettings>,
    /// How long a session lives at most.
    pub session_lifetime: Lifetime,
    /// How long a session lives that isn't used.
    pub idle_lifetime: Lifetime,
    /// What is written into the tenant's log.
    pub log: LogSettings,
    /// Where its log is sent to.
    pub streams: Vec<StreamSettings>,
    /// How many requests the Management API takes.
    pub rate: RateSettings,
}

/// What is written into a tenant's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Whether entries of logins have the session's metadata
    /// (`include_session_metadata_in_tenant_logs`).
    pub include_session_metadata: bool,
}

/// How many requests the Management API takes of one tenant; the login hook is not one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateSettings {
    /// Requests in one second, on average.
    pub per_second: u32,
    /// Requests at once, after a time of rest.
    pub burst: u32,
}

/// Auth0's defaults for a session, of which it lets a tenant choose others.
const SESSION_LIFETIME: Lifetime = Lifetime::days(7);
const IDLE_LIFETIME: Lifetime = Lifetime::days(3);
const RATE: RateSettings = RateSettings { per_second: 50, burst: 100 };

/// With the connector that says which logout URLs are possible.
pub(super) fn tenants(
    file: &Section<'_>,
    host: &vestibule::Config,
    connector: Option<&Connector>,
) -> BTreeMap<TenantId, TenantSettings> {
    let mut tenants = BTreeMap::new();
    let Some(section) = file.section("tenants") else {
        file.missing("tenants", "write a table `[tenants.ID]` for each tenant, with its `hosts`");
        return tenants;
    };
    let mut taken = Taken::default();
    for (name, member) in section.members() {
        let Some(tenant) = member.section() else { continue };
        let id = match name.value.parse::<TenantId>() {
            Ok(id) => id,
            Err(error) => {
                section.source.mistake(&name.span, error.to_string(), "letters, digits, `-`, `_` and `.`");
                continue;
            }
        };
        let settings = read(&tenant, id.clone(), host, connector, &mut taken);
        tenant.finish();
        tenants.insert(id, settings);
    }
    if tenants.is_empty() {
        section.source.mistake(&section.span, "there is no tenant", "write a table `[tenants.ID]` for each, with its `hosts`");
    }
    tenants
}

/// What is one tenant's alone.
#[derive(Default)]
struct Taken {
    hosts: BTreeMap<HostName, TenantId>,
    files: Files,
}

fn read(
    tenant: &Section<'_>,
    id: TenantId,
    host: &vestibule::Config,
    connector: Option<&Connector>,
    taken: &mut Taken,
) -> TenantSettings {
    let hosts = tenant.list::<HostName>("hosts");
    if hosts.is_empty() {
        tenant.missing("hosts", "write the host names that this tenant is called by: `hosts = [\"login.example.com\"]`");
    }
    for name in &hosts {
        if let Some(other) = taken.hosts.insert(name.value.clone(), id.clone()) {
            let what = format!("the host {} is tenant {other}'s already", name.value);
            tenant.source.mistake(&name.span, what, "a host name is one tenant's");
        }
    }
    let (mut limits, mut flow_limits) = (host.limits.clone(), host.flow_limits.clone());
    if let Some(section) = tenant.section("limits") {
        for (name, member) in section.members() {
            let Some(amount) = member.amount() else { continue };
            let set = limits.lower(name.value, &amount.value, &host.limits);
            let set = or_unknown(set, || flow_limits.lower(name.value, &amount.value, &host.flow_limits));
            tell(&section, &name.span, &amount.span, set);
        }
    }
    let actions = tenant.sections("actions").iter().filter_map(|section| action::read(section, &limits)).collect();
    let lifetime = |key, default| tenant.parsed::<Lifetime>(key).map_or(default, |lifetime| lifetime.value);
    let session_lifetime = lifetime("session_lifetime", SESSION_LIFETIME);
    let idle_lifetime = match tenant.parsed::<Lifetime>("idle_lifetime") {
        Some(idle) if idle.value.0 > session_lifetime.0 => {
            let what = "a session can't idle for longer than it lives";
            tenant.source.mistake(&idle.span, what, "make `idle_lifetime` shorter, or `session_lifetime` longer");
            idle.value
        }
        Some(idle) => idle.value,
        None => Lifetime(IDLE_LIFETIME.0.min(session_lifetime.0)),
    };
    let hosts: Vec<HostName> = hosts.into_iter().map(|name| name.value).collect();
    let public_url = public_url(tenant, &hosts);
    TenantSettings {
        logout: logout::token(tenant, &hosts, public_url.as_ref()),
        hosts,
        public_url,
        actions,
        capabilities: actions::policy(tenant),
        limits,
        flow_limits,
        clients: client::clients(tenant, connector),
        issuers: client::issuers(tenant),
        session_lifetime,
        idle_lifetime,
        log: log(tenant),
        streams: stream::streams(tenant, &id, connector, &mut taken.files),
        rate: rate(tenant),
        id,
    }
}

/// It has to be one of the tenant's hosts: a token's issuer and audience are looked for among them.
fn public_url(tenant: &Section<'_>, hosts: &[HostName]) -> Option<PublicUrl> {
    let url = tenant.parsed::<PublicUrl>("public_url")?;
    if !hosts.contains(&url.value.host) {
        let what = format!("`public_url` has the host {}, which isn't one of the tenant's `hosts`", url.value.host);
        tenant.source.mistake(&url.span, what, "add it to `hosts`");
    }
    Some(url.value)
}

fn log(tenant: &Section<'_>) -> LogSettings {
    let mut settings = LogSettings { include_session_metadata: false };
    if let Some(log) = tenant.section("log") {
        settings.include_session_metadata = log.flag("include_session_metadata").unwrap_or_default();
        log.finish();
    }
    settings
}

fn rate(tenant: &Section<'_>) -> RateSettings {
    let mut settings = RATE;
    if let Some(rate) = tenant.section("rate") {
        let number = |key, to: &mut u32| {
            let Some(given) = rate.number(key) else { return };
            match u32::try_from(given.value) {
                Ok(number) if number > 0 => *to = number,
                _ => rate.source.mistake(&given.span, format!("`{key}` is a number from 1 to {}", u32::MAX), ""),
            }
        };
        number("per_second", &mut settings.per_second);
        number("burst", &mut settings.burst);
        rate.finish();
    }
    settings
}
