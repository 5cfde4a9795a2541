//! Tells the tokens of the user's roles and organization, as claims in a namespace of one's own.

use vestibule_sdk::{Api, Event, PostLogin, Result, json};

struct RolesClaims;

impl PostLogin for RolesClaims {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let namespace = event.configuration("namespace").unwrap_or_else(|| "https://acme.example".to_owned());
        let claim = |name: &str| format!("{}/{name}", namespace.trim_end_matches('/'));
        let roles = event.roles();
        api.id_token().set_custom_claim(&claim("roles"), &roles)?;
        api.access_token().set_custom_claim(&claim("roles"), &roles)?;
        if let Some(organization) = event.organization() {
            let organization = json!({ "id": organization.id, "name": organization.name });
            api.id_token().set_custom_claim(&claim("organization"), &organization)?;
            api.access_token().set_custom_claim(&claim("organization"), &organization)?;
        }
        Ok(())
    }
}

vestibule_sdk::export!(RolesClaims);

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_sdk::testing::Login;

    fn login() -> Login {
        Login::new().with(json!({
            "authorization": { "roles": ["buyer", "approver"] },
            "organization": { "id": "org_1", "name": "acme" },
        }))
    }

    #[test]
    fn both_tokens_tell_the_roles_and_the_organization() {
        let outcome = login().run::<RolesClaims>();
        for token in [outcome.id_token, outcome.access_token] {
            let claims = token.expect("an allowed login has tokens").claims;
            assert_eq!(claims["https://acme.example/roles"].value, json!(["buyer", "approver"]));
            assert_eq!(claims["https://acme.example/organization"].value["id"], "org_1");
        }
    }

    #[test]
    fn the_namespace_is_the_bindings_own() {
        let outcome = login().configuration("namespace", "https://shop.example/").run::<RolesClaims>();
        let token = outcome.access_token.expect("an allowed login has an access token");
        assert!(token.claims.contains_key("https://shop.example/roles"), "{:?}", token.claims);
    }

    #[test]
    fn a_user_without_roles_has_an_empty_list_and_no_organization() {
        let token = Login::new().run::<RolesClaims>().id_token.expect("an allowed login has an ID token");
        assert_eq!(token.claims["https://acme.example/roles"].value, json!([]));
        assert_eq!(token.claims.len(), 1);
    }
}
