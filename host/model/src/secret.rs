//! Values that an Action reads by name: its secrets, and its binding's configuration.

use std::fmt;

use std::collections::BTreeMap;

use thiserror::Error;
use zeroize::Zeroizing;

/// The longest name of a secret or of a configuration value, in characters (Auth0's, *Actions
/// Limitations*).
const LONGEST_NAME: usize = 128;
/// The longest secret or configuration value, in characters (Auth0's, *Actions Limitations*).
const LONGEST_VALUE: usize = 4_096;

/// Why a secret or a configuration value was refused. It never shows the value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SecretError {
    /// A name has at least one character.
    #[error("a name is empty")]
    EmptyName,
    /// The name's length in characters.
    #[error("a name has {given} characters, at most {LONGEST_NAME} are allowed")]
    NameTooLong {
        /// Its length in characters.
        given: usize,
    },
    /// The value's length in characters.
    #[error("the value of `{name}` has {given} characters, at most {LONGEST_VALUE} are allowed")]
    ValueTooLong {
        /// The value's name.
        name: String,
        /// Its length in characters.
        given: usize,
    },
}

/// A secret's value. It is overwritten when it is dropped, and never shown by `Debug`.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A secret with this value.
    pub(crate) fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself: for the Action that it belongs to, and for no other.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Values by name, as an Action's secrets or its binding's configuration.
#[derive(Clone, Debug, Default)]
pub struct Values(BTreeMap<Box<str>, Secret>);

impl Values {
    /// Sets one value; of several with one name the last counts.
    ///
    /// # Errors
    /// When the name is empty or longer than 128 characters, or the value is longer than 4,096
    /// characters.
    pub fn set(&mut self, name: &str, value: String) -> Result<(), SecretError> {
        let value = Zeroizing::new(value);
        if name.is_empty() {
            return Err(SecretError::EmptyName);
        }
        let given = name.chars().count();
        if given > LONGEST_NAME {
            return Err(SecretError::NameTooLong { given });
        }
        let given = value.chars().count();
        if given > LONGEST_VALUE {
            return Err(SecretError::ValueTooLong { name: name.to_owned(), given });
        }
        self.0.insert(name.into(), Secret(value));
        Ok(())
    }

    /// The value with this name.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let mut secrets = Values::default();
        secrets.set("API_KEY", "hunter2".into()).unwrap();
        assert!(!format!("{secrets:?}").contains("hunter2"));
        assert_eq!(secrets.get("API_KEY").map(Secret::expose), Some("hunter2"));
        let refused = secrets.set("LONG", "hunter2".repeat(1_000)).unwrap_err();
        assert!(!refused.to_string().contains("hunter2"));
    }

    #[test]
    fn names_and_values_have_auth0s_lengths() {
        let mut secrets = Values::default();
        assert_eq!(secrets.set("", String::new()), Err(SecretError::EmptyName));
        assert_eq!(secrets.set(&"n".repeat(129), String::new()), Err(SecretError::NameTooLong { given: 129 }));
        assert!(secrets.set(&"n".repeat(128), "v".repeat(4_096)).is_ok());
        assert!(matches!(secrets.set("n", "v".repeat(4_097)), Err(SecretError::ValueTooLong { given: 4_097, .. })));
    }
}
