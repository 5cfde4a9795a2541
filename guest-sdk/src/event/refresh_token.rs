//! `event.refresh_token`: the refresh token that is exchanged.

use serde_json::Value;
use vestibule_model::StringMap;
use vestibule_model::event::{DeviceValue, RefreshTokenFacts};

use crate::door::read;

/// The refresh token that is exchanged. In a login without one, all of it is empty.
#[derive(Clone, Copy, Debug)]
pub struct RefreshToken(pub(super) ());

impl RefreshToken {
    /// The token's id, times and client: never its value.
    pub fn get(&self) -> Option<RefreshTokenFacts> {
        read!(event_refresh_token::get(), |login| login.event().refresh_token().facts())
    }

    /// The id of the user whom it was issued to.
    pub fn user_id(&self) -> Option<String> {
        read!(event_refresh_token::user_id(), |login| login.event().refresh_token().user_id().map(str::to_owned))
    }

    /// The device's IP address.
    pub fn device_ip(&self) -> DeviceValue {
        read!(event_refresh_token::device_ip(), |login| login.event().refresh_token().device_ip())
    }

    /// The number of the autonomous system that the device's address belongs to.
    pub fn device_asn(&self) -> DeviceValue {
        read!(event_refresh_token::device_asn(), |login| login.event().refresh_token().device_asn())
    }

    /// The device's `User-Agent` header.
    pub fn device_user_agent(&self) -> DeviceValue {
        read!(event_refresh_token::device_user_agent(), |login| login.event().refresh_token().device_user_agent())
    }

    /// The token's metadata.
    pub fn metadata(&self) -> StringMap {
        read!(event_refresh_token::metadata(), |login| {
            login.refresh_token_metadata().map(|(key, value)| (key.as_str(), value)).collect()
        })
    }

    /// The resource servers that it was issued for, JSON objects.
    pub fn resource_servers(&self) -> Vec<Value> {
        read!(event_refresh_token::resource_servers(), |login| super::objects(login.event().refresh_token().resource_servers()))
    }
}
