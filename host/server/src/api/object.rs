//! Reading JSON objects of requests.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

use crate::error::ApiError;

/// An object: what serde takes for one otherwise, an array of its members in their order, is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

/// Reads a body. What is wrong is told by where it stands, and never by what stands there: that may
/// be a secret.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize::<_, Object<T>>(&mut json);
    let Object(value) = read.map_err(|error| {
        let path = error.path().to_string();
        let inner = error.inner();
        let (line, column) = (inner.line(), inner.column());
        let text = inner.to_string();
        // The names of members are the caller's, and no secrets; values are quoted in other
        // messages.
        let says_more = ["missing field", "unknown field", "duplicate field", "EOF", "expected `", "trailing", "key must be"];
        ApiError::invalid_body(if says_more.iter().any(|start| text.starts_with(start)) {
            text
        } else if path == "." {
            format!("the body isn't what it should be (line {line} column {column}): an object, as /openapi.json has it")
        } else {
            format!("`{path}` isn't what it should be (line {line} column {column}); see /openapi.json")
        })
    })?;
    json.end().map_err(|error| ApiError::invalid_body(error.to_string()))?;
    Ok(value)
}

/// The same, where there may be no body at all.
pub(super) fn read_or_default<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, ApiError> {
    if bytes.trim_ascii().is_empty() { Ok(T::default()) } else { read(bytes) }
}
