//! Logs in every way that there is, in an order that the log has to keep.

use vestibule_sdk::{Api, Event, PostLogin, Result, log};

struct LogsWithEveryMacro;

impl PostLogin for LogsWithEveryMacro {
    fn on_execute_post_login(event: &Event, _: &Api) -> Result {
        let login = event.logins_count();
        println!("println {login}");
        eprintln!("eprintln {login}");
        log::info!("sdk {login}");
        log::warn("sdk function");
        log_crate::error!("log {login}");
        log_crate::trace!("log trace");
        tracing::info!(login, kind = "plain", "tracing {login}");
        let span = tracing::debug_span!("lookup", table = "roles");
        let entered = span.enter();
        tracing::debug!(rows = 2);
        drop(entered);
        tracing::warn!("outside");
        Ok(())
    }
}

vestibule_sdk::export!(LogsWithEveryMacro);
