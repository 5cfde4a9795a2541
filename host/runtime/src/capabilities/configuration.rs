//! `configuration`: configuration of this Action's binding.

use vestibule_model::Secret;

use crate::contract::bindings::vestibule::actions::configuration::Host;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.call()?;
        Ok(self.configuration.get(&name).map(Secret::expose).map(str::to_owned))
    }
}
