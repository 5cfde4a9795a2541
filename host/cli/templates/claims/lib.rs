use vestibule_sdk::{Api, Event, PostLogin, Result, json};

/// A claim of one's own is a URL, so that it can't be mistaken for anybody else's.
const ROLES: &str = "https://example.com/roles";
const ORGANIZATION: &str = "https://example.com/organization";

struct {{Name}};

impl PostLogin for {{Name}} {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let roles = event.roles();
        api.id_token().set_custom_claim(ROLES, &roles)?;
        api.access_token().set_custom_claim(ROLES, &roles)?;
        if let Some(organization) = event.organization() {
            let claim = json!({ "id": organization.id, "name": organization.name });
            api.access_token().set_custom_claim(ORGANIZATION, claim)?;
        }
        Ok(())
    }
}

vestibule_sdk::export!({{Name}});

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_sdk::testing::Login;

    #[test]
    fn the_tokens_tell_the_users_roles() {
        let login = Login::new().with(json!({ "authorization": { "roles": ["editor"] } }));
        let outcome = login.run::<{{Name}}>();
        let token = outcome.id_token.expect("an allowed login has an ID token");
        assert_eq!(token.claims[ROLES].value, json!(["editor"]));
    }

    #[test]
    fn without_an_organization_there_is_no_claim_of_one() {
        let outcome = Login::new().run::<{{Name}}>();
        let token = outcome
            .access_token
            .expect("an allowed login has an access token");
        assert!(!token.claims.contains_key(ORGANIZATION));
    }
}
