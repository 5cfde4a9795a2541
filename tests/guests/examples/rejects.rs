//! Fails the login with an error of its own.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct Rejects;

impl PostLogin for Rejects {
    fn on_execute_post_login(_: &Event, api: &Api) -> Result {
        api.session().set_metadata("left", "behind")?;
        Ok(api.validation().error("quota", "too many devices")?)
    }
}

vestibule_sdk::export!(Rejects);
