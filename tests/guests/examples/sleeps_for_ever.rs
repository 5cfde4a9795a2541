//! Waits for an hour.

use std::time::Duration;

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct SleepsForEver;

impl PostLogin for SleepsForEver {
    fn on_execute_post_login(_: &Event, _: &Api) -> Result {
        std::thread::sleep(Duration::from_secs(3_600));
        Ok(())
    }
}

vestibule_sdk::export!(SleepsForEver);
