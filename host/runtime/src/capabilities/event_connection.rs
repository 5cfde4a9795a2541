//! `event-connection`: where the user's identity comes from.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::event_connection::{Connection, Host};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn get(&mut self) -> wasmtime::Result<Connection> {
        Ok(self.call()?.event().connection.clone().cross())
    }
}
