//! Denies the login, and asks for more before and after.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct Denies;

impl PostLogin for Denies {
    fn on_execute_post_login(_: &Event, api: &Api) -> Result {
        api.user().set_app_metadata("attempts", 1)?;
        api.access_token().set_custom_claim("https://acme.example/seen", true)?;
        api.access().deny("not today")?;
        api.session().set_metadata("after", "denied")?;
        Ok(())
    }
}

vestibule_sdk::export!(Denies);
