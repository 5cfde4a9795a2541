//! Writes something, and then fails.

use vestibule_sdk::{Api, Error, Event, PostLogin, Result};

struct ReturnsAnError;

impl PostLogin for ReturnsAnError {
    fn on_execute_post_login(_: &Event, api: &Api) -> Result {
        api.session().set_metadata("left", "behind")?;
        Err(Error::new("the directory is closed"))
    }
}

vestibule_sdk::export!(ReturnsAnError);
