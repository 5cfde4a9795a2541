//! `event.session`: the session that this login creates or continues.

use vestibule_model::StringMap;
use vestibule_model::event::{CookieMode, DeviceValue, SessionTimes};

use crate::door::read;

/// The session that this login creates or continues. Where a login has none, all of it is empty.
#[derive(Clone, Copy, Debug)]
pub struct Session(pub(super) ());

impl Session {
    /// The session's id; none where this login has no session.
    pub fn id(&self) -> Option<String> {
        read!(event_session::id(), |login| login.event().session().id().map(ToString::to_string))
    }

    /// The id of the user whose session it is.
    pub fn user_id(&self) -> Option<String> {
        read!(event_session::user_id(), |login| login.event().session().user_id().map(str::to_owned))
    }

    /// One entry of the session's metadata; with what this flow has set so far.
    pub fn metadata(&self, key: &str) -> Option<String> {
        read!(event_session::metadata_entry(key), |login| login.session_metadata_entry(key).map(str::to_owned))
    }

    /// All of the session's metadata; with what this flow has set so far.
    pub fn all_metadata(&self) -> StringMap {
        read!(event_session::metadata(), |login| login.session_metadata().map(|(key, value)| (key.to_string(), value)).collect())
    }

    /// When things happened to the session, and when it ends.
    pub fn times(&self) -> SessionTimes {
        read!(event_session::times(), |login| login.event().session().times())
    }

    /// The device's IP address.
    pub fn device_ip(&self) -> DeviceValue {
        read!(event_session::device_ip(), |login| login.event().session().device_ip())
    }

    /// The number of the autonomous system that the device's address belongs to.
    pub fn device_asn(&self) -> DeviceValue {
        read!(event_session::device_asn(), |login| login.event().session().device_asn())
    }

    /// The device's `User-Agent` header.
    pub fn device_user_agent(&self) -> DeviceValue {
        read!(event_session::device_user_agent(), |login| login.event().session().device_user_agent())
    }

    /// The ids of the clients that have taken part in the session.
    pub fn clients(&self) -> Vec<String> {
        read!(event_session::clients(), |login| login.event().session().clients().map(str::to_owned).collect())
    }

    /// Whether the session's cookie outlives the browser.
    pub fn cookie(&self) -> Option<CookieMode> {
        read!(event_session::cookie(), |login| login.event().session().cookie())
    }
}
