//! Which addresses requests may go to: what the Internet can reach, and the networks that the
//! operator names.
//!
//! The table is IANA's registries of special-purpose addresses, IPv4 and IPv6: each of their blocks
//! that isn't globally reachable. Beside it stand multicast, what is deprecated, and the addresses
//! at which clouds give secrets to their machines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What kind of address it is that a request must not go to.
type Rule = &'static str;

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(groups: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = groups;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// The first row that an address is in says what it is.
const SPECIAL_V4: [(Ipv4Net, Rule); 19] = [
    (v4(169, 254, 169, 254, 32), "cloud metadata"),
    (v4(100, 100, 100, 200, 32), "cloud metadata"),
    (v4(168, 63, 129, 16, 32), "cloud metadata"),
    (v4(192, 0, 0, 192, 32), "cloud metadata"),
    (v4(0, 0, 0, 0, 8), "unspecified, or this network (RFC 791)"),
    (v4(10, 0, 0, 0, 8), "private (RFC 1918)"),
    (v4(100, 64, 0, 0, 10), "shared by a carrier's customers (RFC 6598)"),
    (v4(127, 0, 0, 0, 8), "loopback (RFC 1122)"),
    (v4(169, 254, 0, 0, 16), "link-local (RFC 3927)"),
    (v4(172, 16, 0, 0, 12), "private (RFC 1918)"),
    (v4(192, 0, 0, 0, 24), "for protocols (RFC 6890)"),
    (v4(192, 0, 2, 0, 24), "documentation (RFC 5737)"),
    (v4(192, 88, 99, 0, 24), "a relay of 6to4 (RFC 7526)"),
    (v4(192, 168, 0, 0, 16), "private (RFC 1918)"),
    (v4(198, 18, 0, 0, 15), "benchmarks (RFC 2544)"),
    (v4(198, 51, 100, 0, 24), "documentation (RFC 5737)"),
    (v4(203, 0, 113, 0, 24), "documentation (RFC 5737)"),
    (v4(224, 0, 0, 0, 4), "multicast (RFC 5771)"),
    (v4(240, 0, 0, 0, 4), "reserved, or broadcast (RFC 1112, RFC 919)"),
];

/// The first row that an address is in says what it is.
const SPECIAL_V6: [(Ipv6Net, Rule); 19] = [
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), "cloud metadata"),
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), "cloud metadata"),
    (v6([0; 8], 128), "unspecified (RFC 4291)"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback (RFC 4291)"),
    (v6([0; 8], 96), "compatible with IPv4 (RFC 4291)"),
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), "mapped to IPv4 (RFC 4291)"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "translated to IPv4 in a network of its own (RFC 8215)"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "discarded (RFC 6666)"),
    (v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64), "a dummy (RFC 9780)"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "a tunnel of Teredo (RFC 4380)"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "for protocols (RFC 2928)"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "documentation (RFC 3849)"),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "a tunnel of 6to4 (RFC 3056)"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "documentation (RFC 9637)"),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), "segment routing (RFC 9602)"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "private (RFC 4193)"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local (RFC 4291)"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local (RFC 3879)"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast (RFC 4291)"),
];

/// IPv4 behind a network of IPv6 alone (RFC 6052): as reachable as the address in its last four
/// bytes.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

/// What kind of special address it is; `None` for one that the Internet can reach.
fn special(address: IpAddr) -> Option<Rule> {
    match address {
        IpAddr::V4(address) => SPECIAL_V4.iter().find(|(network, _)| network.contains(&address)).map(|(_, rule)| *rule),
        IpAddr::V6(address) if NAT64.contains(&address) => {
            let [.., a, b, c, d] = address.octets();
            special(Ipv4Addr::new(a, b, c, d).into())
        }
        IpAddr::V6(address) => SPECIAL_V6.iter().find(|(network, _)| network.contains(&address)).map(|(_, rule)| *rule),
    }
}

/// The networks that the operator names beside those that the Internet can reach.
#[derive(Clone, Debug, Default)]
pub(crate) struct Networks(Vec<IpNet>);

impl Networks {
    pub(crate) fn new(named: Vec<IpNet>) -> Self {
        Self(named)
    }

    /// Whether the operator has named a network that the address is in.
    pub(crate) fn names(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// # Errors
    /// When requests must not go to the address: what kind of address it is.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Rule> {
        if self.names(address) { Ok(()) } else { special(address).map_or(Ok(()), Err) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The networks as the registries have them, an address at each end, and what it is: written
    /// down once more, by hand.
    const ROWS: &[(&str, &str, &str, &str)] = &[
        ("0.0.0.0/8", "0.0.0.0", "0.255.255.255", "unspecified"),
        ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", "private"),
        ("100.64.0.0/10", "100.64.0.0", "100.127.255.255", "carrier"),
        ("127.0.0.0/8", "127.0.0.0", "127.255.255.255", "loopback"),
        ("169.254.0.0/16", "169.254.0.0", "169.254.255.255", "link-local"),
        ("172.16.0.0/12", "172.16.0.0", "172.31.255.255", "private"),
        ("192.0.0.0/24", "192.0.0.0", "192.0.0.255", "protocols"),
        ("192.0.2.0/24", "192.0.2.0", "192.0.2.255", "documentation"),
        ("192.88.99.0/24", "192.88.99.0", "192.88.99.255", "6to4"),
        ("192.168.0.0/16", "192.168.0.0", "192.168.255.255", "private"),
        ("198.18.0.0/15", "198.18.0.0", "198.19.255.255", "benchmarks"),
        ("198.51.100.0/24", "198.51.100.0", "198.51.100.255", "documentation"),
        ("203.0.113.0/24", "203.0.113.0", "203.0.113.255", "documentation"),
        ("224.0.0.0/4", "224.0.0.0", "239.255.255.255", "multicast"),
        ("240.0.0.0/4", "240.0.0.0", "255.255.255.255", "broadcast"),
        ("168.63.129.16/32", "168.63.129.16", "168.63.129.16", "cloud metadata"),
        ("169.254.169.254/32", "169.254.169.254", "169.254.169.254", "cloud metadata"),
        ("100.100.100.200/32", "100.100.100.200", "100.100.100.200", "cloud metadata"),
        ("192.0.0.192/32", "192.0.0.192", "192.0.0.192", "cloud metadata"),
        ("::/128", "::", "::", "unspecified"),
        ("::1/128", "::1", "::1", "loopback"),
        ("::/96", "::2", "::ffff:ffff", "compatible"),
        ("::ffff:0:0/96", "::ffff:0.0.0.0", "::ffff:255.255.255.255", "mapped"),
        ("64:ff9b:1::/48", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "translated"),
        ("100::/64", "100::", "100::ffff:ffff:ffff:ffff", "discarded"),
        ("100:0:0:1::/64", "100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", "dummy"),
        ("2001::/32", "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "Teredo"),
        ("2001::/23", "2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "protocols"),
        ("2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
        ("2002::/16", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4"),
        ("3fff::/20", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
        ("5f00::/16", "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "segment"),
        ("fc00::/7", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "private"),
        ("fe80::/10", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"),
        ("fec0::/10", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local"),
        ("ff00::/8", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"),
        ("fd00:ec2::254/128", "fd00:ec2::254", "fd00:ec2::254", "cloud metadata"),
        ("fd20:ce::254/128", "fd20:ce::254", "fd20:ce::254", "cloud metadata"),
    ];

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_row_is_refused_from_its_first_address_to_its_last_and_says_what_it_is() {
        assert_eq!(ROWS.len(), SPECIAL_V4.len() + SPECIAL_V6.len());
        let networks = Networks::default();
        for (network, first, last, what) in ROWS {
            for end in [first, last] {
                let refused = networks.check(address(end)).expect_err(end);
                assert!(refused.contains(what), "{end} of {network}: {refused}");
            }
            let network: IpNet = network.parse().unwrap();
            let stands = match network {
                IpNet::V4(network) => SPECIAL_V4.iter().any(|(row, _)| *row == network),
                IpNet::V6(network) => SPECIAL_V6.iter().any(|(row, _)| *row == network),
            };
            assert!(stands, "{network} is missing");
        }
    }

    #[test]
    fn what_stands_before_and_behind_is_reached() {
        let networks = Networks::default();
        for reached in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "192.31.196.1",
            "192.175.48.1",
            "2001:200::",
            "2001:db7:ffff::",
            "2001:db9::",
            "2003::",
            "2606:4700::1111",
            "2620:4f:8000::1",
            "2a00:1450::1",
            "3ffe:ffff::",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(networks.check(address(reached)), Ok(()), "{reached}");
        }
    }

    #[test]
    fn an_address_of_ipv4_that_hides_in_one_of_ipv6_is_refused() {
        let networks = Networks::default();
        for (hidden, what) in [
            ("::ffff:127.0.0.1", "mapped"),
            ("::ffff:8.8.8.8", "mapped"),
            ("::127.0.0.1", "compatible"),
            ("64:ff9b::10.0.0.1", "private"),
            ("64:ff9b::169.254.169.254", "cloud metadata"),
            ("64:ff9b::127.0.0.1", "loopback"),
            ("2002:7f00:1::", "6to4"),
            ("2001:0:4136:e378:8000:63bf:80ff:fffe", "Teredo"),
        ] {
            let refused = networks.check(address(hidden)).expect_err(hidden);
            assert!(refused.contains(what), "{hidden}: {refused}");
        }
    }

    #[test]
    fn a_network_that_the_operator_names_is_reached_and_nothing_beside_it() {
        let networks = Networks::new(vec!["10.1.0.0/16".parse().unwrap(), "fd00:1::/32".parse().unwrap()]);
        assert_eq!(networks.check(address("10.1.2.3")), Ok(()));
        assert_eq!(networks.check(address("fd00:1::7")), Ok(()));
        assert_eq!(networks.check(address("10.2.0.0")), Err("private (RFC 1918)"));
        assert_eq!(networks.check(address("64:ff9b::10.1.2.3")), Err("private (RFC 1918)"));
        assert_eq!(networks.check(address("127.0.0.1")), Err("loopback (RFC 1122)"));
    }
}
