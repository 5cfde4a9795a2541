//! `event-refresh-token`: the refresh token that is exchanged.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::event_refresh_token::{Host, RefreshToken};
use crate::contract::bindings::vestibule::actions::types::DeviceValue;
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn get(&mut self) -> wasmtime::Result<Option<RefreshToken>> {
        Ok(self.call()?.event().refresh_token().facts().cross())
    }

    fn user_id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().refresh_token().user_id().map(str::to_owned))
    }

    fn device_ip(&mut self) -> wasmtime::Result<DeviceValue> {
        Ok(self.call()?.event().refresh_token().device_ip().cross())
    }

    fn device_asn(&mut self) -> wasmtime::Result<DeviceValue> {
        Ok(self.call()?.event().refresh_token().device_asn().cross())
    }

    fn device_user_agent(&mut self) -> wasmtime::Result<DeviceValue> {
        Ok(self.call()?.event().refresh_token().device_user_agent().cross())
    }

    fn metadata(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let entries = self.call()?.refresh_token_metadata();
        Ok(entries.map(|(key, value)| (key.to_string(), value.to_owned())).collect())
    }

    fn resource_servers(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(super::texts(self.call()?.event().refresh_token().resource_servers()))
    }
}
