//! Session metadata: keys and maps that are known to keep the rules.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{InvalidKey, LimitExceeded, MetadataError, ValueTooLong};
use crate::login::limits;

/// A size as errors carry it; saturates to `u32`.
pub(crate) fn size(given: usize) -> u32 {
    u32::try_from(given).unwrap_or(u32::MAX)
}

/// The number of characters of a text, unless that is more than allowed.
pub(crate) fn at_most(limit: u32, text: &str) -> Result<(), LimitExceeded> {
    // A text has at least as many bytes as characters, so short ones need no count.
    if size(text.len()) <= limit {
        return Ok(());
    }
    let given = size(text.chars().count());
    if given > limit { Err(LimitExceeded { given, limit }) } else { Ok(()) }
}

/// A key of session metadata: 1 to 255 letters, digits, `_` and `-`.
///
/// The alphabet and the length are Auth0's (*Session Metadata*, *Configure Session Metadata*).
/// Cloning it is cheap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MetadataKey(Arc<str>);

impl MetadataKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for MetadataKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MetadataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MetadataKey {
    type Err = MetadataError;

    fn from_str(key: &str) -> Result<Self, MetadataError> {
        if key.is_empty() {
            return Err(MetadataError::EmptyKey);
        }
        at_most(limits::METADATA_CHARACTERS, key).map_err(MetadataError::KeyTooLong)?;
        let is_allowed = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        match key.chars().find(|character| !is_allowed(character)) {
            Some(character) => Err(MetadataError::KeyNotAllowed(InvalidKey { key: key.to_owned(), character })),
            None => Ok(Self(key.into())),
        }
    }
}

/// Checks a value of session metadata: at most 255 characters.
pub(crate) fn check_value(key: &MetadataKey, value: &str) -> Result<(), MetadataError> {
    at_most(limits::METADATA_CHARACTERS, value).map_err(|LimitExceeded { given, limit }| {
        MetadataError::ValueTooLong(ValueTooLong { key: key.to_string(), given, limit })
    })
}

/// A session's metadata: at most 25 entries, each of which keeps the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<MetadataKey, Arc<str>>);

impl Metadata {
    /// Sets one entry.
    ///
    /// # Errors
    /// When the value is too long, or there would be too many entries; the map stays as it is.
    pub fn set(&mut self, key: MetadataKey, value: &str) -> Result<(), MetadataError> {
        check_value(&key, value)?;
        if !self.0.contains_key(&key) {
            check_entries(self.0.len() + 1)?;
        }
        self.0.insert(key, value.into());
        Ok(())
    }

    /// Sets one entry that is known to keep the rules, the number of entries included.
    pub(crate) fn set_checked(&mut self, key: MetadataKey, value: Arc<str>) {
        self.0.insert(key, value);
    }

    /// Removes one entry, where there is one.
    pub fn delete(&mut self, key: &MetadataKey) {
        self.0.remove(key);
    }

    /// Removes all entries.
    pub fn evict(&mut self) {
        self.0.clear();
    }

    /// The value of one entry.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(AsRef::as_ref)
    }

    /// All entries, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&MetadataKey, &str)> {
        self.0.iter().map(|(key, value)| (key, value.as_ref()))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn check_entries(given: usize) -> Result<(), MetadataError> {
    let (given, limit) = (size(given), limits::METADATA_ENTRIES);
    if given > limit { Err(MetadataError::TooManyEntries(LimitExceeded { given, limit })) } else { Ok(()) }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Metadata;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with string values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut metadata = Metadata::default();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    key.parse().and_then(|key| metadata.set(key, &value)).map_err(de::Error::custom)?;
                }
                Ok(metadata)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(text: &str) -> MetadataKey {
        text.parse().unwrap()
    }

    #[test]
    fn a_key_has_1_to_255_characters_of_the_alphabet() {
        assert_eq!("".parse::<MetadataKey>(), Err(MetadataError::EmptyKey));
        assert!("k".repeat(255).parse::<MetadataKey>().is_ok());
        let too_long = LimitExceeded { given: 256, limit: 255 };
        assert_eq!("k".repeat(256).parse::<MetadataKey>(), Err(MetadataError::KeyTooLong(too_long)));
        for character in ['.', ' ', '/', 'é', '日', '\0', '🦀'] {
            let text = format!("org{character}id");
            let expected = MetadataError::KeyNotAllowed(InvalidKey { key: text.clone(), character });
            assert_eq!(text.parse::<MetadataKey>(), Err(expected));
        }
    }

    #[test]
    fn a_value_is_counted_in_characters_and_not_in_bytes() {
        let mut metadata = Metadata::default();
        assert!(metadata.set(key("crab"), &"🦀".repeat(255)).is_ok());
        let too_long = ValueTooLong { key: "crab".into(), given: 256, limit: 255 };
        assert_eq!(metadata.set(key("crab"), &"🦀".repeat(256)), Err(MetadataError::ValueTooLong(too_long)));
        assert_eq!(metadata.get("crab").map(|value| value.chars().count()), Some(255));
    }

    #[test]
    fn the_26th_entry_is_refused_and_an_existing_one_can_still_change() {
        let mut metadata = Metadata::default();
        for number in 0..25 {
            metadata.set(key(&format!("k{number}")), "v").unwrap();
        }
        let too_many = LimitExceeded { given: 26, limit: 25 };
        assert_eq!(metadata.set(key("k25"), "v"), Err(MetadataError::TooManyEntries(too_many)));
        assert!(metadata.set(key("k3"), "other").is_ok());
        metadata.delete(&key("k0"));
        assert!(metadata.set(key("k25"), "v").is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_done_to_it_the_rules_hold(steps in prop::collection::vec((0u8..40, "[a-z]{0,3}", ".{0,260}"), 0..80)) {
            let mut metadata = Metadata::default();
            for (step, text, value) in steps {
                match (step, text.parse::<MetadataKey>()) {
                    (0, _) => metadata.evict(),
                    (1..=9, Ok(key)) => metadata.delete(&key),
                    (_, Ok(key)) => {
                        let before = metadata.clone();
                        if metadata.set(key, &value).is_err() {
                            prop_assert_eq!(&metadata, &before);
                        }
                    }
                    (_, Err(error)) => prop_assert_eq!(error, MetadataError::EmptyKey),
                }
                prop_assert!(metadata.len() <= 25);
                prop_assert!(metadata.iter().all(|(_, value)| value.chars().count() <= 255));
            }
        }
    }
}
