//! The names that this machine knows: `/etc/hosts`, and the name servers of `/etc/resolv.conf`.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Hosts, Resolver, TokioResolver};
use thiserror::Error;

use super::{Resolve, ResolveFuture};

const HOSTS: &str = "/etc/hosts";
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// How often these files are looked at: where one has changed, it is read again.
const LOOK: Duration = Duration::from_secs(5);
/// How long a lookup takes at most: as long as a request by default. A C library waits twice as
/// long for one server.
const LONGEST: Duration = Duration::from_secs(5);
/// How long a name server is waited for, and how often it is asked, where `resolv.conf` asks for
/// more.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(3);
const MOST_ATTEMPTS: usize = 3;
/// Queries over one TCP connection to a name server. More than there are lookups at one time:
/// otherwise one tenant's would use it up.
const ACTIVE: usize = 1_024;

/// The operating system's names, without its library, whose calls hold a thread for as long as name
/// servers like.
///
/// A name is looked up in `/etc/hosts`. Where it isn't there, the name servers of
/// `/etc/resolv.conf` are asked, with its `search`, `ndots`, `timeout` (3 s at most) and `attempts`
/// (3 at most). Both files are read again when they have changed. Not read are `/etc/nsswitch.conf`
/// and what it names (mDNS, NIS, LDAP): a name that only these know needs a name server that knows
/// it, such as the one of `systemd-resolved`.
///
/// Nothing is cached, so that no tenant learns from a lookup's time what others look up: a cache
/// belongs into the name server. A lookup takes five seconds at most and twelve sockets: two kinds
/// of address, two name servers, three attempts.
#[derive(Default)]
pub struct SystemResolver {
    name_servers: Option<Vec<NameServer>>,
    current: Mutex<Option<Current>>,
}

/// A name server's address. As text, its port may be left out: `10.0.0.2`, `10.0.0.2:5353`,
/// `[fd00::2]:5353`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameServer(SocketAddr);

/// A text that is no name server's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no name server's address: write an IP address, with a port where it isn't 53, such as `10.0.0.2` or `[fd00::2]:5353`")]
pub struct NameServerError;

/// What was read of the files, and when they were looked at last.
struct Current {
    stamps: [Option<Stamp>; 2],
    looked: Instant,
    names: Arc<Names>,
}

/// By what a change of a file is seen.
type Stamp = (SystemTime, u64);

/// What the two files say.
struct Names {
    hosts: Hosts,
    servers: Result<TokioResolver, String>,
}

impl SystemResolver {
    /// One that asks these name servers, and neither reads `/etc/resolv.conf` nor searches in its
    /// domains. `/etc/hosts` comes first all the same.
    pub fn with_name_servers(name_servers: Vec<NameServer>) -> Self {
        Self { name_servers: Some(name_servers), current: Mutex::default() }
    }

    fn names(&self) -> Arc<Names> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(current) = &mut *current {
            if now.duration_since(current.looked) < LOOK {
                return Arc::clone(&current.names);
            }
            current.looked = now;
            if current.stamps == stamps() {
                return Arc::clone(&current.names);
            }
        }
        // The stamps come first: a file that changes while it is read is read once more.
        let stamps = stamps();
        let hosts = std::fs::read(HOSTS).unwrap_or_default();
        let servers = match &self.name_servers {
            Some(servers) => Names::servers(servers),
            None => Names::of_resolv_conf(&std::fs::read(RESOLV_CONF).unwrap_or_default()),
        };
        let names = Arc::new(Names { hosts: Names::hosts(&hosts), servers });
        *current = Some(Current { stamps, looked: now, names: Arc::clone(&names) });
        names
    }
}

fn stamps() -> [Option<Stamp>; 2] {
    [HOSTS, RESOLV_CONF].map(|file| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

impl Names {
    fn hosts(text: &[u8]) -> Hosts {
        let mut hosts = Hosts::default();
        // Lines that are no UTF-8 end it; those before them count.
        let _ = hosts.read_hosts_conf(text);
        hosts
    }

    fn of_resolv_conf(text: &[u8]) -> Result<TokioResolver, String> {
        // Without a name server, it is the one of this machine (resolv.conf(5)).
        let parsed = parse_resolv_conf(text).or_else(|_| parse_resolv_conf([text, b"\nnameserver 127.0.0.1\n"].concat()));
        let (config, options) = parsed.map_err(|error| format!("{RESOLV_CONF} can't be used: {error}"))?;
        Self::build(config, options)
    }

    fn servers(servers: &[NameServer]) -> Result<TokioResolver, String> {
        let server = |NameServer(address): &NameServer| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = address.port();
                connection
            });
            NameServerConfig::new(address.ip(), true, connections.into())
        };
        Self::build(ResolverConfig::from_name_servers(servers.iter().map(server).collect()), ResolverOpts::default())
    }

    fn build(config: ResolverConfig, mut options: ResolverOpts) -> Result<TokioResolver, String> {
        options.timeout = options.timeout.min(LONGEST_ATTEMPT);
        options.attempts = options.attempts.min(MOST_ATTEMPTS);
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // A name that is there isn't looked for elsewhere, as it would be for the kind of address
        // that isn't there.
        options.use_hosts_file = ResolveHosts::Never;
        options.cache_size = 0;
        options.max_active_requests = ACTIVE;
        let resolver = Resolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        resolver.build().map_err(|error| error.to_string())
    }

    fn in_hosts(&self, name: &Name) -> Vec<IpAddr> {
        let kinds = [RecordType::A, RecordType::AAAA].into_iter();
        let found = kinds.filter_map(|kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind)));
        found.flat_map(|lookup| lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>()).collect()
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> ResolveFuture<'a> {
        Box::pin(async move {
            let names = self.names();
            let name = Name::from_ascii(host).map_err(io::Error::other)?;
            let addresses = names.in_hosts(&name);
            if !addresses.is_empty() {
                return Ok(addresses);
            }
            let servers = names.servers.as_ref().map_err(|reason| io::Error::other(reason.clone()))?;
            let answer = tokio::time::timeout(LONGEST, servers.lookup_ip(name)).await?.map_err(io::Error::other)?;
            Ok(in_turns(answer.iter()))
        })
    }
}

/// Addresses of both kinds in turns: only the first are tried, and a machine may have no way to one
/// of the kinds.
fn in_turns(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.partition(IpAddr::is_ipv4);
    let most = v4.len().max(v6.len());
    (0..most).flat_map(|place| [v4.get(place), v6.get(place)]).flatten().copied().collect()
}

impl fmt::Debug for SystemResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemResolver").field("name_servers", &self.name_servers).finish_non_exhaustive()
    }
}

impl FromStr for NameServer {
    type Err = NameServerError;

    fn from_str(text: &str) -> Result<Self, NameServerError> {
        const PORT: u16 = 53;
        let of_address = |address: IpAddr| SocketAddr::new(address, PORT);
        let address = text.parse().or_else(|_| text.parse().map(of_address)).map_err(|_| NameServerError)?;
        if address.port() == 0 { Err(NameServerError) } else { Ok(Self(address)) }
    }
}

impl fmt::Display for NameServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_name_in_hosts_has_the_addresses_that_stand_there() {
        let hosts =
            Names::hosts(b"# ours\n10.0.0.7 groups.example groups # here\nfd00::7 groups.example\n10.0.0.8 GROUPS.example\n");
        let names = Names { hosts, servers: Err(String::new()) };
        let of = |name: &str| names.in_hosts(&Name::from_ascii(name).unwrap());
        assert_eq!(of("groups.example"), addresses(&["10.0.0.7", "10.0.0.8", "fd00::7"]));
        assert_eq!(of("groups"), addresses(&["10.0.0.7"]));
        assert!(of("other.example").is_empty());
    }

    #[test]
    fn what_resolv_conf_asks_for_counts_within_bounds() {
        let of = |text: &str| Names::of_resolv_conf(text.as_bytes()).unwrap().options().clone();
        let options = of("nameserver 127.0.0.1\nsearch a.example b.example\noptions ndots:5 timeout:30 attempts:9\n");
        assert_eq!((options.ndots, options.timeout, options.attempts), (5, LONGEST_ATTEMPT, MOST_ATTEMPTS));
        assert_eq!(of("nameserver 127.0.0.1\noptions timeout:1 attempts:1").timeout, Duration::from_secs(1));
        assert_eq!(of("").cache_size, 0, "without a name server, it is this machine's");
    }

    #[test]
    fn a_name_servers_port_may_be_left_out() {
        let of = |text: &str| text.parse::<NameServer>().map(|server| server.to_string());
        assert_eq!(of("10.0.0.2").as_deref(), Ok("10.0.0.2:53"));
        assert_eq!(of("fd00::2").as_deref(), Ok("[fd00::2]:53"));
        assert_eq!(of("[fd00::2]:5353").as_deref(), Ok("[fd00::2]:5353"));
        assert_eq!(
            [of("dns.example"), of("10.0.0.2:0"), of("")],
            [Err(NameServerError), Err(NameServerError), Err(NameServerError)]
        );
    }

    #[test]
    fn addresses_of_both_kinds_take_turns() {
        let found = in_turns(addresses(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1"]).into_iter());
        assert_eq!(found, addresses(&["10.0.0.1", "fd00::1", "10.0.0.2", "10.0.0.3"]));
    }
}
