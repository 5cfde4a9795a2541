//! `refresh-token`: the metadata and the lifetime of the refresh token that is exchanged.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::refresh_token::{Host, RefreshTokenError};
use crate::contract::bindings::vestibule::actions::types::MetadataError;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn set_metadata(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), MetadataError>> {
        Ok(self.call()?.set_refresh_token_metadata(&key, &value).map_err(Cross::cross))
    }

    fn delete_metadata(&mut self, key: String) -> wasmtime::Result<Result<(), MetadataError>> {
        Ok(self.call()?.delete_refresh_token_metadata(&key).map_err(Cross::cross))
    }

    fn evict_metadata(&mut self) -> wasmtime::Result<Result<(), MetadataError>> {
        Ok(self.call()?.evict_refresh_token_metadata().map_err(Cross::cross))
    }

    fn set_expires_at(&mut self, at: u64) -> wasmtime::Result<Result<(), RefreshTokenError>> {
        Ok(self.call()?.set_refresh_token_expires_at(at.cross()).map_err(Cross::cross))
    }

    fn set_idle_expires_at(&mut self, at: u64) -> wasmtime::Result<Result<(), RefreshTokenError>> {
        Ok(self.call()?.set_refresh_token_idle_expires_at(at.cross()).map_err(Cross::cross))
    }

    fn revoke(&mut self, reason: String) -> wasmtime::Result<Result<(), RefreshTokenError>> {
        Ok(self.call()?.revoke_refresh_token(&reason).map_err(Cross::cross))
    }
}
