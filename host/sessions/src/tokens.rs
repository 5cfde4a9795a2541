//! Random numbers that name something: 128 bits, so that nobody guesses one and no two are the
//! same.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::error::StoreError;

/// The bits of a UUID that say how it was made.
const VERSION: u128 = 0xf << 76;
const VARIANT: u128 = 0b11 << 62;

/// A text that is no such id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not {what}: a UUID in lower case, such as 0f8fad5b-d9cb-469f-a165-70867728950e")]
pub struct UuidError {
    what: &'static str,
}

macro_rules! uuid {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// A new one.
            ///
            /// # Errors
            /// When the system has no random numbers.
            pub fn random() -> Result<Self, StoreError> {
                // Version 4, which is random, as RFC 9562 writes it.
                Ok(Self(random()? & !VERSION & !VARIANT | 0x4 << 76 | 0b10 << 62))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let part = |shift: u32, bits: u32| (self.0 >> shift) & ((1 << bits) - 1);
                let (time, middle, high) = (part(96, 32), part(80, 16), part(64, 16));
                write!(f, "{time:08x}-{middle:04x}-{high:04x}-{:04x}-{:012x}", part(48, 16), part(0, 48))
            }
        }

        impl FromStr for $name {
            type Err = UuidError;

            fn from_str(text: &str) -> Result<Self, UuidError> {
                let error = UuidError { what: $what };
                let digits: String = text.chars().filter(|character| *character != '-').collect();
                let id = Self(u128::from_str_radix(&digits, 16).map_err(|_| error)?);
                // There is one spelling of each.
                if id.to_string() == text { Ok(id) } else { Err(error) }
            }
        }
    };
}

uuid! {
    /// What is sent to one URL about the end of one session, over all attempts: `delivery_id` in
    /// its tokens. As text it is a UUID.
    DeliveryId, "the id of a delivery"
}

uuid! {
    /// A deployed Action, whatever its name. As text it is a UUID.
    ActionUid, "the id of an Action"
}

uuid! {
    /// A version of a deployed Action. As text it is a UUID.
    VersionUid, "the id of a version"
}

uuid! {
    /// An Action at its place in a trigger's order. As text it is a UUID.
    BindingUid, "the id of a binding"
}

uuid! {
    /// One run of a trigger's Actions. As text it is a UUID.
    ExecutionUid, "the id of an execution"
}

/// That a delivery is somebody's to send, until its lease is over or it has been settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim(u128);

impl Claim {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn random() -> Result<Self, StoreError> {
        random().map(Self)
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A server, for as long as it runs: whose a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder(u128);

impl Holder {
    /// Somebody new.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn random() -> Result<Self, StoreError> {
        random().map(Self)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What the bytes of one upload are called in the file of components.
pub(crate) fn upload() -> Result<String, StoreError> {
    random().map(|number| format!("{number:032x}"))
}

fn random() -> Result<u128, StoreError> {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(u128::from_le_bytes(bytes)),
        Err(error) => Err(StoreError::Failed { reason: format!("the system has no random numbers: {error}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deliverys_id_is_a_random_uuid_and_reads_as_it_is_written() {
        let (one, other) = (DeliveryId::random().unwrap(), DeliveryId::random().unwrap());
        assert_ne!(one, other);
        let text = one.to_string();
        assert_eq!(text.parse(), Ok(one));
        assert_eq!((text.len(), &text[14..15]), (36, "4"), "{text}");
        assert!("89ab".contains(&text[19..20]), "{text}");
        for wrong in
            ["", "0f8fad5b", &text.to_uppercase(), &text.replace('-', ""), &format!("{text}0"), &format!("+{}", &text[1..])]
        {
            assert_eq!(wrong.parse::<DeliveryId>(), Err(UuidError { what: "the id of a delivery" }), "{wrong}");
        }
    }
}
