//! `event-authentication`: how the user has proved who they are.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::event_authentication::{Host, Method, RiskAssessment};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn methods(&mut self) -> wasmtime::Result<Vec<Method>> {
        Ok(self.call()?.event().authentication.methods.clone().cross())
    }

    fn risk(&mut self) -> wasmtime::Result<Option<RiskAssessment>> {
        Ok(self.call()?.event().authentication.risk().cross())
    }
}
