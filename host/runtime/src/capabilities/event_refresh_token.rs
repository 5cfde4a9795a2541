//! `event-refresh-token`: the refresh token that is exchanged.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::event_refresh_token::{Host, RefreshToken};
use crate::contract::bindings::vestibule::actions::types::DeviceValue;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn get(&mut self) -> wasmtime::Result<Option<RefreshToken>> {
        Ok(self.call()?.event().refresh_token.as_ref().map(|token| token.facts()).cross())
    }

    fn user_id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().refresh_token.as_ref().and_then(|token| token.user_id()).map(str::to_owned))
    }

    fn device_ip(&mut self) -> wasmtime::Result<DeviceValue> {
        let token = self.call()?.event().refresh_token.as_ref();
        Ok(token.map(|token| token.device_ip()).unwrap_or_default().cross())
    }

    fn device_asn(&mut self) -> wasmtime::Result<DeviceValue> {
        let token = self.call()?.event().refresh_token.as_ref();
        Ok(token.map(|token| token.device_asn()).unwrap_or_default().cross())
    }

    fn device_user_agent(&mut self) -> wasmtime::Result<DeviceValue> {
        let token = self.call()?.event().refresh_token.as_ref();
        Ok(token.map(|token| token.device_user_agent()).unwrap_or_default().cross())
    }

    fn metadata(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let entries = self.call()?.refresh_token_metadata();
        Ok(entries.map(|(key, value)| (key.to_string(), value.to_owned())).collect())
    }

    fn resource_servers(&mut self) -> wasmtime::Result<Vec<String>> {
        let token = self.call()?.event().refresh_token.as_ref();
        Ok(token.map(|token| super::texts(token.resource_servers())).unwrap_or_default())
    }
}
