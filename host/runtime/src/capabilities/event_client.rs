//! `event-client`: the application that the user logs in to.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::event_client::Host;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.call()?.event().client.id.clone())
    }

    fn name(&mut self) -> wasmtime::Result<String> {
        Ok(self.call()?.event().client.name.clone())
    }

    fn metadata(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.call()?.event().client.metadata.clone().cross())
    }

    fn refresh_token_policies(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(super::texts(self.call()?.event().client.refresh_token_policies()))
    }
}
