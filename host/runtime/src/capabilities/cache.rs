//! `cache`: short-lived values that the Actions of one trigger share over many logins of a tenant.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::cache::{CacheEntry, CacheError, Host, Lifetime};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<CacheEntry>> {
        Ok(self.call()?.cached(&key).cloned().cross())
    }

    fn set(
        &mut self,
        key: String,
        value: String,
        lifetime: Option<Lifetime>,
    ) -> wasmtime::Result<Result<CacheEntry, CacheError>> {
        Ok(self.call()?.set_cached(&key, &value, lifetime.cross()).map(Cross::cross).map_err(Cross::cross))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), CacheError>> {
        Ok(self.call()?.delete_cached(&key).map_err(Cross::cross))
    }
}
