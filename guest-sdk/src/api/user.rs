//! `api.user`: the user's own metadata, applied once by the platform, when the flow has ended.

use serde::Serialize;
use vestibule_model::UserError;

use super::json;
use crate::door::effect;

/// The user's own metadata.
#[derive(Clone, Copy, Debug)]
pub struct User(pub(super) ());

impl User {
    /// Sets a member of what the user may change about themselves, to anything that serde writes as
    /// JSON; `null` removes it.
    ///
    /// # Errors
    /// When the key is empty or longer than 255 characters, or the object would take more than
    /// 32,768 bytes.
    pub fn set_user_metadata(&self, key: &str, value: impl Serialize) -> Result<(), UserError> {
        let value = json(&value).map_err(UserError::InvalidJson)?;
        effect!(user::set_user_metadata(key, &value), |login| login.set_user_metadata(key, &value))
    }

    /// Sets a member of what only the tenant may change, to anything that serde writes as JSON;
    /// `null` removes it.
    ///
    /// # Errors
    /// When the key is empty or longer than 255 characters, or the object would take more than
    /// 32,768 bytes.
    pub fn set_app_metadata(&self, key: &str, value: impl Serialize) -> Result<(), UserError> {
        let value = json(&value).map_err(UserError::InvalidJson)?;
        effect!(user::set_app_metadata(key, &value), |login| login.set_app_metadata(key, &value))
    }
}
