//! `event-custom-domain`: the tenant's own domain that the login came by.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::event_custom_domain::{CustomDomain, Host};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn get(&mut self) -> wasmtime::Result<Option<CustomDomain>> {
        Ok(self.call()?.event().custom_domain.clone().cross())
    }
}
