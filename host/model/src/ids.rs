//! Names of things, parsed once: a value of these types can be a key, a column or a word of a log
//! line as it is.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The longest id, in bytes: it fits an index of every database that we know.
const LONGEST_ID: usize = 255;

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    /// An id has at least one character.
    #[error("{what} is empty")]
    Empty {
        /// Which kind of id.
        what: &'static str,
    },
    /// An id has at most 255 bytes.
    #[error("{what} has {given} bytes, at most {LONGEST_ID} are allowed")]
    TooLong {
        /// Which kind of id.
        what: &'static str,
        /// Its length in bytes.
        given: usize,
    },
    /// A space at the beginning or the end, or beside another one.
    #[error("{what} begins or ends with a space, or has two in a row")]
    Space {
        /// Which kind of id.
        what: &'static str,
    },
    /// A character that this kind of id can't have.
    #[error("{what} holds {character:?}, which is not allowed")]
    NotAllowed {
        /// Which kind of id.
        what: &'static str,
        /// The first such character.
        character: char,
    },
}

fn parse<'a>(what: &'static str, text: &'a str, allowed: fn(char) -> bool) -> Result<&'a str, IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    if text.len() > LONGEST_ID {
        return Err(IdError::TooLong { what, given: text.len() });
    }
    match text.chars().find(|character| !allowed(*character)) {
        Some(character) => Err(IdError::NotAllowed { what, character }),
        None => Ok(text),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse($what, text, $allowed).map(|text| Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

/// Names that people give to Auth0's Actions. No path separator, no quote, no control character,
/// and no `@`, which the version follows.
fn is_action_name_character(character: char) -> bool {
    is_name_character(character) || matches!(character, ' ' | '(' | ')' | '[' | ']' | ':' | ',' | '&' | '+')
}

fn is_visible(character: char) -> bool {
    !character.is_control() && !character.is_whitespace()
}

id! {
    /// A tenant: the first part of every key. Letters, digits, `-`, `_` and `.`.
    TenantId, "the tenant's id", is_name_character
}

id! {
    /// A session, unique in its tenant. Anything without white space and control characters.
    SessionId, "the session's id", is_visible
}

id! {
    /// A user, unique in its tenant, `auth0|5f7c8ec7c33c6c004bbafe82` for instance. Anything
    /// without control characters.
    UserId, "the user's id", |character: char| !character.is_control()
}

/// Which Action: its name, and the version of its code. Shown as `name@version`. Cloning it is
/// cheap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(Arc<(Box<str>, Box<str>)>);

impl ActionId {
    /// An Action's id from its name (ASCII letters, digits, single spaces inside it, and any of
    /// `-_.()[]:,&+`) and its version (letters, digits, and any of `-_.+`).
    ///
    /// # Errors
    /// When one of them is empty, longer than 255 bytes, or holds another character, or when a
    /// space of the name is misplaced.
    pub fn new(name: &str, version: &str) -> Result<Self, IdError> {
        const NAME: &str = "the Action's name";
        let name = parse(NAME, name, is_action_name_character)?;
        if name.starts_with(' ') || name.ends_with(' ') || name.contains("  ") {
            return Err(IdError::Space { what: NAME });
        }
        let version = parse("the Action's version", version, |character| is_name_character(character) || character == '+')?;
        Ok(Self(Arc::new((name.into(), version.into()))))
    }

    /// The Action of changes that are made before the first `Login::begin`.
    pub(crate) fn unknown() -> Self {
        static UNKNOWN: LazyLock<ActionId> = LazyLock::new(|| ActionId(Arc::new(("unknown".into(), "0.0.0".into()))));
        UNKNOWN.clone()
    }

    /// The Action's name.
    pub fn name(&self) -> &str {
        &self.0.0
    }

    /// The version of the Action's code.
    pub fn version(&self) -> &str {
        &self.0.1
    }
}

impl Serialize for ActionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name(), self.version())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_word_that_can_stand_in_a_key() {
        assert!("dev-acme_1.eu".parse::<TenantId>().is_ok());
        assert_eq!("".parse::<TenantId>(), Err(IdError::Empty { what: "the tenant's id" }));
        assert!(matches!("a/b".parse::<TenantId>(), Err(IdError::NotAllowed { character: '/', .. })));
        assert!(matches!("a b".parse::<SessionId>(), Err(IdError::NotAllowed { character: ' ', .. })));
        assert!(matches!("x".repeat(256).parse::<SessionId>(), Err(IdError::TooLong { given: 256, .. })));
        assert!("x".repeat(255).parse::<SessionId>().is_ok());
    }

    #[test]
    fn an_action_is_shown_with_its_version() {
        let id = ActionId::new("organization-gate", "1.2.0+build.7").unwrap();
        assert_eq!(id.to_string(), "organization-gate@1.2.0+build.7");
    }

    #[test]
    fn action_name_may_have_spaces_and_brackets() {
        for name in ["Add Roles (v2)", "[PROD] Enrich: ID & access tokens", "a+b, c"] {
            assert_eq!(ActionId::new(name, "1").unwrap().name(), name);
        }
        for name in [" a", "a ", "a  b", " "] {
            assert!(matches!(ActionId::new(name, "1"), Err(IdError::Space { .. })), "{name:?}");
        }
        for name in ["a/b", "a\\b", "a@1", "a\nb", "a\tb", "\"a\"", "ä", "a\u{a0}b", "a%20b"] {
            assert!(matches!(ActionId::new(name, "1"), Err(IdError::NotAllowed { .. })), "{name:?}");
        }
    }
}
