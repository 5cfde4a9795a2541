//! Ends the session.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct Revokes;

impl PostLogin for Revokes {
    fn on_execute_post_login(_: &Event, api: &Api) -> Result {
        Ok(api.session().revoke("stolen", true)?)
    }
}

vestibule_sdk::export!(Revokes);
