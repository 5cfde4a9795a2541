//! `event-tenant`: the tenant that this Action belongs to.

use crate::contract::bindings::vestibule::actions::event_tenant::Host;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.call()?.event().tenant.id.to_string())
    }
}
