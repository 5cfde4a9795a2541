//! Counts a user's logins, and marks the first one, in what only the tenant may change of the user.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct LoginCounter;

impl PostLogin for LoginCounter {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        // A refresh token is exchanged every few minutes while an application is open: no user has
        // logged in.
        if event.transaction().protocol().as_deref() == Some("oauth2-refresh-token") {
            return Ok(());
        }
        let before = event.user().app_metadata().get("login_count").and_then(|count| count.as_u64()).unwrap_or_default();
        api.user().set_app_metadata("login_count", before.saturating_add(1))?;
        api.user().set_app_metadata("first_login", before == 0)?;
        Ok(())
    }
}

vestibule_sdk::export!(LoginCounter);

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_sdk::json;
    use vestibule_sdk::testing::{Login, Outcome};

    fn set(outcome: &Outcome, name: &str) -> Option<vestibule_sdk::Value> {
        outcome.user.app_metadata.get(name).and_then(|change| change.value.clone())
    }

    #[test]
    fn the_first_login_is_counted_and_marked() {
        let outcome = Login::new().run::<LoginCounter>();
        assert_eq!((set(&outcome, "login_count"), set(&outcome, "first_login")), (Some(json!(1)), Some(json!(true))));
    }

    #[test]
    fn a_later_login_is_counted_and_not_the_first() {
        let login = Login::new().with(json!({ "user": { "app_metadata": { "login_count": 41, "first_login": true } } }));
        let outcome = login.run::<LoginCounter>();
        assert_eq!((set(&outcome, "login_count"), set(&outcome, "first_login")), (Some(json!(42)), Some(json!(false))));
    }

    #[test]
    fn an_exchange_of_a_refresh_token_is_no_login() {
        let login = Login::new().with(json!({ "transaction": { "protocol": "oauth2-refresh-token" } }));
        assert!(login.run::<LoginCounter>().user.app_metadata.is_empty());
    }
}
