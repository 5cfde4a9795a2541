//! Ends itself, as if all were well.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct Exits;

impl PostLogin for Exits {
    #[allow(clippy::exit, reason = "it is what this guest is for")]
    fn on_execute_post_login(_: &Event, _: &Api) -> Result {
        std::process::exit(0);
    }
}

vestibule_sdk::export!(Exits);
