//! `event-transaction`: what the client has asked for.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::event_transaction::Host;
use crate::contract::bindings::vestibule::actions::types::TransactionValue;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().transaction().id.clone())
    }

    fn protocol(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().transaction().protocol.clone())
    }

    fn requested_scopes(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.call()?.event().transaction().requested_scopes.clone())
    }

    fn requested_authorization_details(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(super::texts(&self.call()?.event().transaction().requested_authorization_details))
    }

    fn acr_values(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.call()?.event().transaction().acr_values.clone())
    }

    fn prompt(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.call()?.event().transaction().prompt.clone())
    }

    fn login_hint(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().transaction().login_hint.clone())
    }

    fn redirect_uri(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().transaction().redirect_uri.clone())
    }

    fn response_mode(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().transaction().response_mode.clone())
    }

    fn response_type(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.call()?.event().transaction().response_type.clone())
    }

    fn state(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().transaction().state.clone())
    }

    fn locale(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().transaction().locale.clone())
    }

    fn ui_locales(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.call()?.event().transaction().ui_locales.clone())
    }

    fn linking_id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().transaction().linking_id.clone())
    }

    fn correlation_id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().transaction().correlation_id.clone())
    }

    fn subject_token_type(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().transaction().subject_token_type.clone())
    }

    fn actor_token_type(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().transaction().actor_token_type.clone())
    }

    fn metadata_entry(&mut self, key: String) -> wasmtime::Result<Option<TransactionValue>> {
        Ok(self.call()?.transaction_metadata_entry(&key).cloned().cross())
    }

    fn metadata(&mut self) -> wasmtime::Result<Vec<(String, TransactionValue)>> {
        let metadata = self.call()?.transaction_metadata();
        Ok(metadata.into_iter().map(|(key, value)| (key.to_owned(), value.clone().cross())).collect())
    }
}
