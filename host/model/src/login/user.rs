//! `user`: the user's two metadata objects.

use serde_json::Value;

use super::{Login, limits};
use crate::ActionId;
use crate::error::{LimitExceeded, UserError};
use crate::json::{Object, ObjectChanges};
use crate::metadata::at_most;

fn set(changes: &mut ObjectChanges, base: &Object, key: &str, json: &str, by: ActionId) -> Result<(), UserError> {
    if key.is_empty() {
        return Err(UserError::EmptyKey);
    }
    at_most(limits::USER_KEY_CHARACTERS, key).map_err(UserError::KeyTooLong)?;
    let value: Value = serde_json::from_str(json).map_err(|error| UserError::InvalidJson(error.to_string()))?;
    let value = if value.is_null() { None } else { Some(value) };
    let limit = limits::USER_BYTES;
    changes.set(base, key, value, limit, by).map_err(|given| UserError::TooLarge(LimitExceeded { given, limit }))
}

impl Login {
    /// `event-user.user-metadata`: what the user may change about themselves, with the changes so
    /// far.
    pub fn user_metadata(&self) -> Object {
        self.changes.user_metadata.apply(&self.event.user.user_metadata)
    }

    /// `event-user.app-metadata`: what only the tenant may change, with the changes so far.
    pub fn app_metadata(&self) -> Object {
        self.changes.app_metadata.apply(&self.event.user.app_metadata)
    }

    /// `user.set-user-metadata`: sets a member; the value is JSON text, and `null` removes the
    /// member.
    ///
    /// # Errors
    /// When the key is empty or too long, the value is no JSON, or the object would be too large.
    pub fn set_user_metadata(&mut self, key: &str, json: &str) -> Result<(), UserError> {
        set(&mut self.changes.user_metadata, &self.event.user.user_metadata, key, json, self.action.clone())
    }

    /// `user.set-app-metadata`: sets a member; the value is JSON text, and `null` removes the
    /// member.
    ///
    /// # Errors
    /// When the key is empty or too long, the value is no JSON, or the object would be too large.
    pub fn set_app_metadata(&mut self, key: &str, json: &str) -> Result<(), UserError> {
        set(&mut self.changes.app_metadata, &self.event.user.app_metadata, key, json, self.action.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::login;
    use super::*;

    #[test]
    fn null_removes_a_member_and_others_stay() {
        let mut login = login();
        assert_eq!(login.user_metadata().get("theme"), Some(&Value::from("light")));
        login.set_user_metadata("theme", "null").unwrap();
        login.set_user_metadata("seats", "[1, 2]").unwrap();
        assert_eq!(Value::Object(login.user_metadata()), serde_json::json!({ "seats": [1, 2] }));
        assert!(login.app_metadata().is_empty());
    }

    #[test]
    fn the_object_has_at_most_32_kb_with_what_it_held_before() {
        let mut login = login();
        // `"theme":"light",` takes 16 bytes already; name, quotes, colon and comma take the rest.
        let fits = serde_json::to_string(&"x".repeat(32_768 - 16 - 7)).unwrap();
        login.set_user_metadata("k", &fits).unwrap();
        let too_large = UserError::TooLarge(LimitExceeded { given: 32_774, limit: 32_768 });
        assert_eq!(login.set_user_metadata("l", "1"), Err(too_large));
        login.set_user_metadata("k", "null").unwrap();
        login.set_user_metadata("l", "1").unwrap();
    }

    #[test]
    fn a_key_and_its_json_are_checked() {
        let mut login = login();
        assert_eq!(login.set_app_metadata("", "1"), Err(UserError::EmptyKey));
        assert!(matches!(login.set_app_metadata(&"k".repeat(256), "1"), Err(UserError::KeyTooLong(_))));
        assert!(matches!(login.set_app_metadata("k", "yes"), Err(UserError::InvalidJson(_))));
        assert!(matches!(login.set_app_metadata("k", &"[".repeat(10_000)), Err(UserError::InvalidJson(_))));
    }
}
