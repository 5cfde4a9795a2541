//! `session`: the session's metadata and lifetime.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::session::{Host, SessionError};
use crate::contract::bindings::vestibule::actions::types::{CookieMode, MetadataError};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn set_metadata(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), MetadataError>> {
        Ok(self.call()?.set_session_metadata(&key, &value).map_err(Cross::cross))
    }

    fn delete_metadata(&mut self, key: String) -> wasmtime::Result<Result<(), MetadataError>> {
        Ok(self.call()?.delete_session_metadata(&key).map_err(Cross::cross))
    }

    fn evict_metadata(&mut self) -> wasmtime::Result<Result<(), MetadataError>> {
        Ok(self.call()?.evict_session_metadata().map_err(Cross::cross))
    }

    fn set_expires_at(&mut self, at: u64) -> wasmtime::Result<Result<(), SessionError>> {
        Ok(self.call()?.set_session_expires_at(at.cross()).map_err(Cross::cross))
    }

    fn set_idle_expires_at(&mut self, at: u64) -> wasmtime::Result<Result<(), SessionError>> {
        Ok(self.call()?.set_session_idle_expires_at(at.cross()).map_err(Cross::cross))
    }

    fn set_cookie_mode(&mut self, mode: CookieMode) -> wasmtime::Result<Result<(), SessionError>> {
        Ok(self.call()?.set_session_cookie_mode(mode.cross()).map_err(Cross::cross))
    }

    fn revoke(&mut self, reason: String, preserve_refresh_tokens: bool) -> wasmtime::Result<Result<(), SessionError>> {
        Ok(self.call()?.revoke_session(&reason, preserve_refresh_tokens).map_err(Cross::cross))
    }
}
