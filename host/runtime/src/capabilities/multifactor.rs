//! `multifactor`: whether a second factor is required when the flow has ended.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::multifactor::{Host, Provider};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn enable(&mut self, provider: Provider, allow_remember_browser: bool) -> wasmtime::Result<()> {
        self.call()?.enable_multifactor(provider.cross(), allow_remember_browser);
        Ok(())
    }
}
