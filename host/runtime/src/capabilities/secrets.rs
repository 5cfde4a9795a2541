//! `secrets`: secrets of this Action.

use vestibule_model::Secret;

use crate::contract::bindings::vestibule::actions::secrets::Host;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.call()?;
        Ok(self.secrets.get(&name).map(Secret::expose).map(str::to_owned))
    }
}
