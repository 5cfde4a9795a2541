//! Calls the host as often as its configuration says, `calls`, the call that reads that included.

use vestibule_sdk::{Api, Event, PostLogin, Result};

struct CallsTheHost;

impl PostLogin for CallsTheHost {
    fn on_execute_post_login(event: &Event, _: &Api) -> Result {
        let calls: u32 = event.configuration("calls").unwrap_or_default().parse()?;
        for _ in 1..calls {
            event.logins_count();
        }
        Ok(())
    }
}

vestibule_sdk::export!(CallsTheHost);
