//! `event-session`: the session that this login creates or continues.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::event_session::{Host, SessionTimes};
use crate::contract::bindings::vestibule::actions::types::{CookieMode, DeviceValue};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().session().id().map(ToString::to_string))
    }

    fn user_id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().session().user_id().map(str::to_owned))
    }

    fn metadata_entry(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.session_metadata_entry(&key).map(str::to_owned))
    }

    fn metadata(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let metadata = self.call()?.session_metadata();
        Ok(metadata.map(|(key, value)| (key.to_string(), value.to_owned())).collect())
    }

    fn times(&mut self) -> wasmtime::Result<SessionTimes> {
        Ok(self.call()?.event().session().times().cross())
    }

    fn device_ip(&mut self) -> wasmtime::Result<DeviceValue> {
        Ok(self.call()?.event().session().device_ip().cross())
    }

    fn device_asn(&mut self) -> wasmtime::Result<DeviceValue> {
        Ok(self.call()?.event().session().device_asn().cross())
    }

    fn device_user_agent(&mut self) -> wasmtime::Result<DeviceValue> {
        Ok(self.call()?.event().session().device_user_agent().cross())
    }

    fn clients(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.call()?.event().session().clients().map(str::to_owned).collect())
    }

    fn cookie(&mut self) -> wasmtime::Result<Option<CookieMode>> {
        Ok(self.call()?.event().session().cookie().cross())
    }
}
