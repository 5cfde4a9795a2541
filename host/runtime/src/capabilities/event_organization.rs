//! `event-organization`: the organization that the user logs in to.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::event_organization::{Host, Organization};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn get(&mut self) -> wasmtime::Result<Option<Organization>> {
        Ok(self.call()?.event().organization.clone().cross())
    }
}
