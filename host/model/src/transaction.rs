//! Values that the Actions of one transaction share.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A value of transaction metadata.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TransactionValue {
    /// A text.
    Text(String),
    /// A finite number.
    Number(f64),
    /// True or false.
    Boolean(bool),
}

impl TransactionValue {
    /// What it takes of the transaction's budget: a text its bytes, a number eight, a boolean one.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Number(_) => size_of::<f64>(),
            Self::Boolean(_) => size_of::<bool>(),
        }
    }
}

impl From<&str> for TransactionValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for TransactionValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for TransactionValue {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for TransactionValue {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

impl<'de> Deserialize<'de> for TransactionValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;

        impl Visitor<'_> for Scalar {
            type Value = TransactionValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a number or a boolean")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TransactionValue, E> {
                Ok(text.into())
            }

            fn visit_bool<E: de::Error>(self, boolean: bool) -> Result<TransactionValue, E> {
                Ok(boolean.into())
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<TransactionValue, E> {
                Ok(number.into())
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<TransactionValue, E> {
                Ok((number as f64).into())
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<TransactionValue, E> {
                Ok((number as f64).into())
            }
        }

        deserializer.deserialize_any(Scalar)
    }
}
