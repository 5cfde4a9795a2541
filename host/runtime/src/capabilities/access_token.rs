//! `access-token`: the access token that will be issued.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::access_token::Host;
use crate::contract::bindings::vestibule::actions::types::TokenError;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn set_custom_claim(&mut self, name: String, value: String) -> wasmtime::Result<Result<(), TokenError>> {
        Ok(self.call()?.set_access_token_claim(&name, &value).map_err(Cross::cross))
    }

    fn add_scope(&mut self, scope: String) -> wasmtime::Result<Result<(), TokenError>> {
        Ok(self.call()?.add_scope(&scope).map_err(Cross::cross))
    }

    fn remove_scope(&mut self, scope: String) -> wasmtime::Result<Result<(), TokenError>> {
        Ok(self.call()?.remove_scope(&scope).map_err(Cross::cross))
    }
}
