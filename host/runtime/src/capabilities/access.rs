//! `access`: whether the login goes on.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::access::{AccessError, Host};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn deny(&mut self, reason: String) -> wasmtime::Result<Result<(), AccessError>> {
        Ok(self.call()?.deny(&reason).map_err(Cross::cross))
    }
}
