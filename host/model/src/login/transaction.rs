//! `transaction`: what the Actions of one transaction share.

use std::collections::BTreeMap;

use super::{Login, limits};
use crate::TransactionValue;
use crate::error::{LimitExceeded, TransactionError, ValueTooLong};
use crate::metadata::{at_most, size};

#[derive(Clone, Debug, Default)]
pub(crate) struct TransactionChanges {
    pub(crate) entries: BTreeMap<Box<str>, Option<TransactionValue>>,
    /// Bytes of all entries as they stand now; `None` until the first change.
    bytes: Option<usize>,
}

fn entry_bytes(key: &str, value: &TransactionValue) -> usize {
    key.len() + value.bytes()
}

impl Login {
    /// `event-transaction.metadata-entry`: one entry, with the changes so far.
    pub fn transaction_metadata_entry(&self, key: &str) -> Option<&TransactionValue> {
        match self.changes.transaction.entries.get(key) {
            Some(changed) => changed.as_ref(),
            None => self.event.transaction.as_ref()?.metadata.get(key),
        }
    }

    /// `event-transaction.metadata`: all entries, with the changes so far, sorted by key.
    pub fn transaction_metadata(&self) -> BTreeMap<&str, &TransactionValue> {
        let before = self.event.transaction.iter().flat_map(|transaction| &transaction.metadata);
        let mut all: BTreeMap<&str, &TransactionValue> = before.map(|(key, value)| (key.as_str(), value)).collect();
        for (key, value) in &self.changes.transaction.entries {
            match value {
                Some(value) => all.insert(key, value),
                None => all.remove(key.as_ref()),
            };
        }
        all
    }

    /// `transaction.set-metadata`: sets one entry; `None` removes it.
    ///
    /// # Errors
    /// When there is no transaction, the key or the value breaks a rule, or all entries would be
    /// too large.
    pub fn set_transaction_metadata(&mut self, key: &str, value: Option<TransactionValue>) -> Result<(), TransactionError> {
        let transaction = self.event.transaction.as_ref().ok_or(TransactionError::Unavailable)?;
        if key.is_empty() {
            return Err(TransactionError::EmptyKey);
        }
        at_most(limits::TRANSACTION_KEY_CHARACTERS, key).map_err(TransactionError::KeyTooLong)?;
        match &value {
            Some(TransactionValue::Text(text)) if size(text.len()) > limits::TRANSACTION_VALUE_BYTES => {
                let (given, limit) = (size(text.len()), limits::TRANSACTION_VALUE_BYTES);
                return Err(TransactionError::ValueTooLong(ValueTooLong { key: key.to_owned(), given, limit }));
            }
            Some(TransactionValue::Number(number)) if !number.is_finite() => {
                return Err(TransactionError::NumberNotFinite(key.to_owned()));
            }
            _ => {}
        }
        let bytes = match self.changes.transaction.bytes {
            Some(bytes) => bytes,
            None => transaction.metadata.iter().map(|(key, value)| entry_bytes(key, value)).sum(),
        };
        let before = self.transaction_metadata_entry(key).map_or(0, |value| entry_bytes(key, value));
        let after = value.as_ref().map_or(0, |value| entry_bytes(key, value));
        let bytes = bytes - before + after;
        let (given, limit) = (size(bytes), limits::TRANSACTION_BYTES);
        if given > limit && after > before {
            return Err(TransactionError::TooLarge(LimitExceeded { given, limit }));
        }
        self.changes.transaction.bytes = Some(bytes);
        self.changes.transaction.entries.insert(key.into(), value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{login, login_of};
    use super::*;

    #[test]
    fn an_entry_is_read_at_once_and_none_removes_it() {
        let mut login = login();
        assert_eq!(login.transaction_metadata_entry("step"), Some(&TransactionValue::Number(2.0)));
        login.set_transaction_metadata("step", Some(true.into())).unwrap();
        login.set_transaction_metadata("name", Some("x".into())).unwrap();
        assert_eq!(login.transaction_metadata_entry("step"), Some(&TransactionValue::Boolean(true)));
        login.set_transaction_metadata("step", None).unwrap();
        assert_eq!(login.transaction_metadata().into_keys().collect::<Vec<_>>(), ["name"]);
    }

    #[test]
    fn keys_values_and_the_whole_are_limited() {
        let mut login = login();
        assert_eq!(login.set_transaction_metadata("", None), Err(TransactionError::EmptyKey));
        assert_eq!(login.set_transaction_metadata(&"k".repeat(64), Some(true.into())), Ok(()));
        assert!(matches!(login.set_transaction_metadata(&"k".repeat(65), None), Err(TransactionError::KeyTooLong(_))));
        let too_long = ValueTooLong { key: "k".into(), given: 8_193, limit: 8_192 };
        let value = |bytes: usize| Some(TransactionValue::Text("x".repeat(bytes)));
        assert_eq!(login.set_transaction_metadata("k", value(8_193)), Err(TransactionError::ValueTooLong(too_long)));
        assert_eq!(
            login.set_transaction_metadata("k", Some(f64::NAN.into())),
            Err(TransactionError::NumberNotFinite("k".into()))
        );
        login.set_transaction_metadata("a", value(8_192)).unwrap();
        assert!(matches!(login.set_transaction_metadata("b", value(8_192)), Err(TransactionError::TooLarge(_))));
        login.set_transaction_metadata("b", value(8_000)).unwrap();
    }

    #[test]
    fn without_a_transaction_nothing_is_shared() {
        let mut event: serde_json::Value = serde_json::from_str(include_str!("../../tests/event.json")).unwrap();
        event.as_object_mut().unwrap().remove("transaction");
        let mut login = login_of(&event.to_string());
        assert_eq!(login.set_transaction_metadata("k", None), Err(TransactionError::Unavailable));
    }
}
