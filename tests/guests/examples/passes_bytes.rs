//! Passes as many bytes to the host as its configuration says, `bytes`, in one call, and goes on
//! when that is refused.

use vestibule_sdk::{Api, Event, PostLogin, Result, log};

struct PassesBytes;

impl PostLogin for PassesBytes {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let bytes: usize = event.configuration("bytes").unwrap_or_default().parse()?;
        if let Err(refused) = api.session().set_metadata("k", &"x".repeat(bytes)) {
            log::info(refused);
        }
        Ok(())
    }
}

vestibule_sdk::export!(PassesBytes);
