use vestibule_sdk::{Api, Event, PostLogin, Result, log};

struct {{Name}};

impl PostLogin for {{Name}} {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        // Which domain may pass is configuration of the Action's binding: another tenant, another domain.
        let domain = event.configuration("domain").unwrap_or_else(|| "example.com".to_owned());
        let email = event.user().email().filter(|email| email.verified);
        let is_ours = email.is_some_and(|email| email.address.rsplit_once('@').is_some_and(|(_, of)| of.eq_ignore_ascii_case(&domain)));
        if !is_ours {
            log::warn!("not of {domain}");
            api.access().deny("Please log in with your work address.")?;
        }
        Ok(())
    }
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
        assert!(login_of("a@acme.example").configuration("domain", "acme.example").run::<{{Name}}>().is_allowed());
    }

    #[test]
    fn any_other_address_is_denied() {
        let outcome = login_of("a@elsewhere.example").run::<{{Name}}>();
        assert_eq!(outcome.denied(), Some("Please log in with your work address."));
    }

    #[test]
    fn an_address_that_is_not_verified_is_denied() {
        let login = login_of("a@example.com").with(json!({ "user": { "email_verified": false } }));
        assert!(login.run::<{{Name}}>().denied().is_some());
    }
}
