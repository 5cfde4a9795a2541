//! A subsequent Action: reads what `organization-session-metadata` has written, denies the login to
//! a suspended organization, and tells the API of every other one.

use vestibule_sdk::{Api, Event, PostLogin, Result, log};

/// The claim that the API reads. A name of one's own is a URL, so that it can't be mistaken for
/// anybody else's.
const CLAIM: &str = "https://acme.example/org";

struct OrganizationGate;

impl PostLogin for OrganizationGate {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let Some(slug) = event.session().metadata("org_slug") else { return Ok(()) };
        let suspended = event.configuration("suspended").unwrap_or_else(|| "initech".to_owned());
        if suspended.split(',').any(|name| name.trim() == slug) {
            log::warn(format_args!("{slug} is suspended"));
            api.access().deny("This organization is suspended. Please talk to your administrator.")?;
            return Ok(());
        }
        api.access_token().set_custom_claim(CLAIM, &slug)?;
        log::info(format_args!("{slug} may pass"));
        Ok(())
    }
}

vestibule_sdk::export!(OrganizationGate);

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_sdk::json;
    use vestibule_sdk::testing::Login;

    fn login_to(slug: &str) -> Login {
        Login::new().with(json!({ "session": { "metadata": { "org_slug": slug } } }))
    }

    #[test]
    fn the_api_learns_the_organization() {
        let outcome = login_to("acme").run::<OrganizationGate>();
        let token = outcome.access_token.expect("an allowed login has an access token");
        assert_eq!(token.claims[CLAIM].value, "acme");
    }

    #[test]
    fn a_suspended_organization_is_denied() {
        let outcome = login_to("initech").run::<OrganizationGate>();
        assert_eq!(outcome.denied(), Some("This organization is suspended. Please talk to your administrator."));
        assert!(outcome.access_token.is_none());
    }

    #[test]
    fn the_bindings_configuration_says_who_is_suspended() {
        let login = login_to("initech").configuration("suspended", "acme, globex");
        assert!(login.run::<OrganizationGate>().is_allowed());
        assert!(login_to("globex").configuration("suspended", "acme, globex").run::<OrganizationGate>().denied().is_some());
    }

    #[test]
    fn without_an_organization_there_is_nothing_to_tell() {
        let outcome = Login::new().run::<OrganizationGate>();
        assert!(outcome.access_token.expect("the login is allowed").claims.is_empty());
    }
}
