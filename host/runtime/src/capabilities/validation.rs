//! `validation`: the Action's own errors.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::validation::{Host, ValidationError};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn error(&mut self, code: String, message: String) -> wasmtime::Result<Result<(), ValidationError>> {
        Ok(self.call()?.reject(&code, &message).map_err(Cross::cross))
    }
}
