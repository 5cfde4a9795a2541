//! Lets only users pass whose verified e-mail address is of one of the domains that the
//! configuration lists.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct EmailDomainAllowList;

impl PostLogin for EmailDomainAllowList {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let domains = event.configuration("domains").unwrap_or_default();
        let email = event.user().email().filter(|email| email.verified);
        // What is after the last `@`: what is before it may hold one, in quotes.
        let domain = email.as_ref().and_then(|email| email.address.rsplit_once('@')).map(|(_, domain)| normal(domain));
        let is_listed = domain.is_some_and(|domain| domains.split(',').any(|listed| includes(&normal(listed), &domain)));
        if !is_listed {
            // The list itself stays private.
            api.access().deny("Please log in with a verified address of your organization.")?;
        }
        Ok(())
    }
}

/// A domain without its final dot, in small letters: `Example.COM.` is `example.com`.
fn normal(domain: &str) -> String {
    domain.trim().trim_end_matches('.').to_ascii_lowercase()
}

/// Whether what is listed includes the domain: itself, or with `*.` what lies below it.
fn includes(listed: &str, domain: &str) -> bool {
    match listed.strip_prefix("*.") {
        Some(above) => domain.strip_suffix(above).is_some_and(|below| below.len() > 1 && below.ends_with('.')),
        None => !listed.is_empty() && listed == domain,
    }
}

vestibule_sdk::export!(EmailDomainAllowList);

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_sdk::json;
    use vestibule_sdk::testing::Login;

    fn is_allowed(address: &str) -> bool {
        let user = json!({ "user": { "email": address, "email_verified": true } });
        let login = Login::new().with(user).configuration("domains", "example.com, *.acme.example");
        login.run::<EmailDomainAllowList>().is_allowed()
    }

    #[test]
    fn listed_domains_may_pass_however_they_are_written() {
        for address in ["a@example.com", "a@EXAMPLE.com", "a@example.com.", "\"a@b\"@example.com", "a@mail.acme.example"] {
            assert!(is_allowed(address), "{address}");
        }
    }

    #[test]
    fn what_only_looks_like_a_listed_domain_is_denied() {
        for address in [
            "a@sub.example.com",
            "a@example.com.evil.example",
            "a@notexample.com",
            "a@acme.example",
            "a@evilacme.example",
            "example.com",
        ] {
            assert!(!is_allowed(address), "{address}");
        }
    }

    #[test]
    fn an_address_that_is_not_verified_or_missing_is_denied() {
        let login = Login::new().configuration("domains", "example.com");
        assert!(login.run::<EmailDomainAllowList>().denied().is_some());
        let unverified = login.with(json!({ "user": { "email": "a@example.com", "email_verified": false } }));
        assert!(unverified.run::<EmailDomainAllowList>().denied().is_some());
    }

    #[test]
    fn without_a_list_every_login_is_denied() {
        let login = Login::new().with(json!({ "user": { "email": "a@example.com", "email_verified": true } }));
        assert!(login.run::<EmailDomainAllowList>().denied().is_some());
    }
}
