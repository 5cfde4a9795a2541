use vestibule_sdk::{Api, Event, PostLogin, Result, log};

struct {{Name}};

impl PostLogin for {{Name}} {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        // Which domain may pass is configuration of the Action's binding: another tenant, another
        // domain.
        let configured = event.configuration("domain");
        let domain = configured.as_deref().unwrap_or("example.com");
        let email = event.user().email().filter(|email| email.verified);
        if !email.is_some_and(|email| is_of(&email.address, domain)) {
            log::warn!("not of {domain}");
            api.access().deny("Please log in with your work address.")?;
        }
        Ok(())
    }
}

fn is_of(address: &str, domain: &str) -> bool {
    let of = address.rsplit_once('@').map(|(_, domain)| domain);
    of.is_some_and(|of| of.eq_ignore_ascii_case(domain))
}

vestibule_sdk::export!({{Name}});

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_sdk::json;
    use vestibule_sdk::testing::Login;

    fn login_of(email: &str) -> Login {
        Login::new().with(json!({ "user": { "email": email, "email_verified": true } }))
    }

    #[test]
    fn a_work_address_may_pass() {
        assert!(login_of("a@Example.com").run::<{{Name}}>().is_allowed());
    }

    #[test]
    fn the_bindings_configuration_says_whose_address_it_is() {
        let login = login_of("a@acme.example").configuration("domain", "acme.example");
        assert!(login.run::<{{Name}}>().is_allowed());
    }

    #[test]
    fn any_other_address_is_denied() {
        let outcome = login_of("a@elsewhere.example").run::<{{Name}}>();
        let reason = "Please log in with your work address.";
        assert_eq!(outcome.denied(), Some(reason));
    }

    #[test]
    fn an_address_that_is_not_verified_is_denied() {
        let facts = json!({ "user": { "email_verified": false } });
        let login = login_of("a@example.com").with(facts);
        assert!(login.run::<{{Name}}>().denied().is_some());
    }
}
