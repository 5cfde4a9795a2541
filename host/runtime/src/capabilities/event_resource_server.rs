//! `event-resource-server`: the API that the access token is for.

use crate::contract::bindings::vestibule::actions::event_resource_server::Host;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn identifier(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().resource_server.identifier.clone())
    }
}
