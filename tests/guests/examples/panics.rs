//! Writes something, and then panics.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct Panics;

impl PostLogin for Panics {
    #[allow(clippy::panic, reason = "it is what this guest is for")]
    fn on_execute_post_login(_: &Event, api: &Api) -> Result {
        api.session().set_metadata("left", "behind")?;
        panic!("no such department");
    }
}

vestibule_sdk::export!(Panics);
