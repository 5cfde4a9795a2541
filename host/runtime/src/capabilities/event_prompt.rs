//! `event-prompt`: the form that the user has filled in.

use crate::contract::bindings::vestibule::actions::event_prompt::Host;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().prompt.id.clone())
    }

    fn fields(&mut self) -> wasmtime::Result<String> {
        Ok(super::text(&self.call()?.event().prompt.fields))
    }

    fn vars(&mut self) -> wasmtime::Result<String> {
        Ok(super::text(&self.call()?.event().prompt.vars))
    }
}
