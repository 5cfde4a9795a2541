//! `event-authorization`: what the user may do.

use crate::contract::bindings::vestibule::actions::event_authorization::Host;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn roles(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.call()?.event().authorization.roles.clone())
    }
}
