//! `event-security-context`: fingerprints of the connection.

use crate::contract::bindings::vestibule::actions::event_security_context::Host;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn ja3(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().security_context.ja3.clone())
    }

    fn ja4(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().security_context.ja4.clone())
    }
}
