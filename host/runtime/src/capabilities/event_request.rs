//! `event-request`: the request that reached the identity platform.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::event_request::{Coordinates, Country, Host, Place};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn ip(&mut self) -> wasmtime::Result<String> {
        Ok(self.call()?.event().request.ip.clone())
    }

    fn asn(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().request.asn.clone())
    }

    fn geo_country(&mut self) -> wasmtime::Result<Country> {
        Ok(self.call()?.event().request.geo_country().cross())
    }

    fn geo_place(&mut self) -> wasmtime::Result<Place> {
        Ok(self.call()?.event().request.geo_place().cross())
    }

    fn geo_coordinates(&mut self) -> wasmtime::Result<Option<Coordinates>> {
        Ok(self.call()?.event().request.geo_coordinates().cross())
    }

    fn user_agent(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().request.user_agent.clone())
    }

    fn language(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().request.language.clone())
    }

    fn hostname(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().request.hostname.clone())
    }

    fn method(&mut self) -> wasmtime::Result<String> {
        Ok(self.call()?.event().request.method.clone())
    }

    fn query(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.call()?.event().request.query().to_vec())
    }

    fn body(&mut self) -> wasmtime::Result<String> {
        Ok(super::text(&self.call()?.event().request.body))
    }
}
