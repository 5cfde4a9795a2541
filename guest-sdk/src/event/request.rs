//! `event.request`: the request that reached the identity platform.

use serde_json::Value;
use vestibule_model::event::{Coordinates, Country, Place};

use crate::door::read;

/// The request that reached the identity platform.
#[derive(Clone, Copy, Debug)]
pub struct Request(pub(super) ());

impl Request {
    /// The address that the request came from.
    pub fn ip(&self) -> String {
        read!(event_request::ip(), |login| login.event().request.ip.clone())
    }

    /// The number of the autonomous system that the address belongs to.
    pub fn asn(&self) -> Option<String> {
        read!(event_request::asn(), |login| login.event().request.asn.clone())
    }

    /// The country of the address.
    pub fn geo_country(&self) -> Country {
        read!(event_request::geo_country(), |login| login.event().request.geo_country())
    }

    /// City, subdivision and time zone of the address.
    pub fn geo_place(&self) -> Place {
        read!(event_request::geo_place(), |login| login.event().request.geo_place())
    }

    /// The coordinates of the address.
    pub fn geo_coordinates(&self) -> Option<Coordinates> {
        read!(event_request::geo_coordinates(), |login| login.event().request.geo_coordinates())
    }

    /// The `User-Agent` header.
    pub fn user_agent(&self) -> Option<String> {
        read!(event_request::user_agent(), |login| login.event().request.user_agent.clone())
    }

    /// The language that the browser asks for.
    pub fn language(&self) -> Option<String> {
        read!(event_request::language(), |login| login.event().request.language.clone())
    }

    /// The host name that the request was sent to.
    pub fn hostname(&self) -> Option<String> {
        read!(event_request::hostname(), |login| login.event().request.hostname.clone())
    }

    /// The HTTP method.
    pub fn method(&self) -> String {
        read!(event_request::method(), |login| login.event().request.method.clone())
    }

    /// The parameters of the query, sorted by name; one that was sent more than once stands more
    /// than once.
    pub fn query(&self) -> Vec<(String, String)> {
        read!(event_request::query(), |login| login.event().request.query().to_vec())
    }

    /// The body's fields, a JSON object.
    pub fn body(&self) -> Value {
        read!(event_request::body(), |login| Value::Object(login.event().request.body.clone()))
    }
}
