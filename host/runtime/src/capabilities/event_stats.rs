//! `event-stats`: counters of this user.

use crate::contract::bindings::vestibule::actions::event_stats::Host;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn logins_count(&mut self) -> wasmtime::Result<u64> {
        Ok(self.call()?.event().stats.logins_count)
    }
}
