//! Denies a login by the country and by the network that its request comes from.

use std::net::IpAddr;

use ipnet::IpNet;
use vestibule_sdk::{Api, Error, Event, PostLogin, Result, log};

struct NetworkGate;

impl PostLogin for NetworkGate {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        if let Some(why) = refusal(event)? {
            // The reason is for the tenant's log: a stranger need not learn it.
            log::warn!("{why}");
            api.access().deny("A login is not possible from where you are.")?;
        }
        Ok(())
    }
}

fn refusal(event: &Event) -> Result<Option<String>> {
    let request = event.request();
    let denied = networks(event, "denied_networks")?;
    let allowed = networks(event, "allowed_networks")?;
    if !denied.is_empty() || !allowed.is_empty() {
        let address: IpAddr = request.ip().parse().map_err(|_| Error::new("the request's address is no IP address"))?;
        // An IPv4 address may come as an IPv6 one; it is the same host.
        let address = address.to_canonical();
        if let Some(network) = denied.iter().find(|network| network.contains(&address)) {
            return Ok(Some(format!("the network {network} is denied")));
        }
        if !allowed.is_empty() && !allowed.iter().any(|network| network.contains(&address)) {
            return Ok(Some("the network is not among those allowed".to_owned()));
        }
    }
    let Some(countries) = event.configuration("allowed_countries") else { return Ok(None) };
    let country = request.geo_country().code.unwrap_or_default();
    let is_allowed = list(&countries).any(|allowed| allowed.eq_ignore_ascii_case(&country));
    Ok((!is_allowed).then(|| format!("the country {country:?} is not among those allowed")))
}

fn networks(event: &Event, name: &str) -> Result<Vec<IpNet>> {
    let configured = event.configuration(name).unwrap_or_default();
    let network = |text: &str| text.parse().map_err(|_| Error::new(format!("configuration `{name}`: {text:?} is no network")));
    list(&configured).map(network).collect()
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

vestibule_sdk::export!(NetworkGate);

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_sdk::json;
    use vestibule_sdk::testing::Login;

    fn login_from(ip: &str, country: &str) -> Login {
        Login::new().with(json!({ "request": { "ip": ip, "geoip": { "countryCode": country } } }))
    }

    #[test]
    fn without_configuration_everybody_may_pass() {
        assert!(login_from("203.0.113.9", "XX").run::<NetworkGate>().is_allowed());
    }

    #[test]
    fn a_denied_network_is_denied_in_both_spellings_of_an_address() {
        for ip in ["203.0.113.9", "::ffff:203.0.113.9"] {
            let login = login_from(ip, "AT").configuration("denied_networks", "198.51.100.0/24, 203.0.113.0/28");
            assert!(login.run::<NetworkGate>().denied().is_some(), "{ip}");
        }
        let outside = login_from("203.0.113.16", "AT").configuration("denied_networks", "203.0.113.0/28");
        assert!(outside.run::<NetworkGate>().is_allowed());
    }

    #[test]
    fn where_networks_are_allowed_all_others_are_denied() {
        let login = |ip| login_from(ip, "AT").configuration("allowed_networks", "2001:db8::/32");
        assert!(login("2001:db8::1").run::<NetworkGate>().is_allowed());
        assert!(login("2001:db9::1").run::<NetworkGate>().denied().is_some());
    }

    #[test]
    fn where_countries_are_allowed_all_others_and_unknown_ones_are_denied() {
        let login = |country| login_from("203.0.113.9", country).configuration("allowed_countries", "at, DE");
        assert!(login("AT").run::<NetworkGate>().is_allowed());
        assert!(login("FR").run::<NetworkGate>().denied().is_some());
        let unknown = Login::new().configuration("allowed_countries", "AT");
        assert!(unknown.run::<NetworkGate>().denied().is_some());
    }

    #[test]
    fn configuration_that_is_no_network_fails_the_login_and_says_which() {
        let outcome = login_from("203.0.113.9", "AT").configuration("denied_networks", "203.0.113.0/33").run::<NetworkGate>();
        let failure = outcome.failed().expect("the login fails").to_string();
        assert_eq!(failure, "configuration `denied_networks`: \"203.0.113.0/33\" is no network");
    }
}
