//! Names of things that the store alone knows, parsed once. The model has those of sessions, users
//! and tenants.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use vestibule_model::{IdError, SessionId};

/// A text that was read, and is shown as it is.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
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

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text;

/// An id that is right where a session's would be.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        text! {
            $(#[$doc])*
            $name
        }

        impl FromStr for $name {
            type Err = IdError;

            /// 1 to 255 bytes without white space and control characters: what is right for a
            /// session's id.
            fn from_str(text: &str) -> Result<Self, IdError> {
                let what = $what;
                match text.parse::<SessionId>() {
                    Ok(id) => Ok(Self(id.as_str().into())),
                    Err(IdError::Empty { .. }) => Err(IdError::Empty { what }),
                    Err(IdError::TooLong { given, .. }) => Err(IdError::TooLong { what, given }),
                    Err(IdError::NotAllowed { character, .. }) => Err(IdError::NotAllowed { what, character }),
                    Err(IdError::Space { .. }) => Err(IdError::Space { what }),
                }
            }
        }
    };
}

id! {
    /// The platform's own name for one login. Sent twice, it gives the same answer and changes
    /// nothing twice.
    TransactionId, "the transaction's id"
}

id! {
    /// An application, unique in its tenant: `client_id` in OAuth, and `aud` of its tokens.
    ClientId, "the client's id"
}
