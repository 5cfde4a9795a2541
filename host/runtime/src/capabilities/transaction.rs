//! `transaction`: what the Actions of one transaction share.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::transaction::{Host, TransactionError};
use crate::contract::bindings::vestibule::actions::types::TransactionValue;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn set_metadata(&mut self, key: String, value: Option<TransactionValue>) -> wasmtime::Result<Result<(), TransactionError>> {
        Ok(self.call()?.set_transaction_metadata(&key, value.cross()).map_err(Cross::cross))
    }
}
