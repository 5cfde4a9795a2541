use vestibule_sdk::{Api, Event, PostLogin, Result};

struct {{Name}};

impl PostLogin for {{Name}} {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        // Later Actions, later logins of this session and the logout token see what is set here.
        if let Some(country) = event.request().geo_country().code {
            api.session().set_metadata("country", &country)?;
        }
        if let Some(organization) = event.organization() {
            api.session().set_metadata("org_id", &organization.id)?;
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

    #[test]
    fn the_session_remembers_the_country_and_the_organization() {
        let login = Login::new().with(json!({
            "request": { "geoip": { "countryCode": "AT" } },
            "organization": { "id": "org_1", "name": "acme" },
        }));
        let outcome = login.run::<{{Name}}>();
        assert!(outcome.is_allowed());
        assert_eq!(outcome.session.metadata.get("country"), Some("AT"));
        assert_eq!(outcome.session.metadata.get("org_id"), Some("org_1"));
    }

    #[test]
    fn a_login_from_nowhere_leaves_nothing_behind() {
        let outcome = Login::new().run::<{{Name}}>();
        assert!(outcome.session.metadata.is_empty());
    }
}
