//! `id-token`: the ID token that will be issued.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::id_token::Host;
use crate::contract::bindings::vestibule::actions::types::TokenError;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn set_custom_claim(&mut self, name: String, value: String) -> wasmtime::Result<Result<(), TokenError>> {
        Ok(self.call()?.set_id_token_claim(&name, &value).map_err(Cross::cross))
    }
}
