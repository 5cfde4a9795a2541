//! `event-session`: the session that this login creates or continues.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::event_session::{Host, SessionTimes};
use crate::contract::bindings::vestibule::actions::types::{CookieMode, DeviceValue};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().session.as_ref().map(|session| session.id.to_string()))
    }

    fn user_id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().session.as_ref().and_then(|session| session.user_id()).map(str::to_owned))
    }

    fn metadata_entry(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.session_metadata_entry(&key).map(str::to_owned))
    }

    fn metadata(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let metadata = self.call()?.session_metadata();
        Ok(metadata.map(|(key, value)| (key.to_string(), value.to_owned())).collect())
    }

    fn times(&mut self) -> wasmtime::Result<SessionTimes> {
        Ok(self.call()?.event().session.as_ref().map(|session| session.times()).unwrap_or_default().cross())
    }

    fn device_ip(&mut self) -> wasmtime::Result<DeviceValue> {
        let session = self.call()?.event().session.as_ref();
        Ok(session.map(|session| session.device_ip()).unwrap_or_default().cross())
    }

    fn device_asn(&mut self) -> wasmtime::Result<DeviceValue> {
        let session = self.call()?.event().session.as_ref();
        Ok(session.map(|session| session.device_asn()).unwrap_or_default().cross())
    }

    fn device_user_agent(&mut self) -> wasmtime::Result<DeviceValue> {
        let session = self.call()?.event().session.as_ref();
        Ok(session.map(|session| session.device_user_agent()).unwrap_or_default().cross())
    }

    fn clients(&mut self) -> wasmtime::Result<Vec<String>> {
        let session = self.call()?.event().session.as_ref();
        Ok(session.iter().flat_map(|session| session.clients()).map(str::to_owned).collect())
    }

    fn cookie(&mut self) -> wasmtime::Result<Option<CookieMode>> {
        Ok(self.call()?.event().session.as_ref().and_then(|session| session.cookie()).cross())
    }
}
