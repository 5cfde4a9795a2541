//! `user`: the user's own metadata.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::user::{Host, UserError};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn set_user_metadata(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), UserError>> {
        Ok(self.call()?.set_user_metadata(&key, &value).map_err(Cross::cross))
    }

    fn set_app_metadata(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), UserError>> {
        Ok(self.call()?.set_app_metadata(&key, &value).map_err(Cross::cross))
    }
}
