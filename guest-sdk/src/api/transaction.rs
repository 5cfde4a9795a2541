//! `api.transaction`: what the Actions of one transaction share.

use vestibule_model::{TransactionError, TransactionValue};

use crate::door::effect;

/// What the Actions of one transaction share.
#[derive(Clone, Copy, Debug)]
pub struct Transaction(pub(super) ());

impl Transaction {
    /// Sets one entry to a text, a number or a boolean; later Actions see it at once.
    ///
    /// # Errors
    /// When there is no transaction, the key is empty or longer than 64 characters, or the value or
    /// the whole is too large.
    pub fn set_metadata(&self, key: &str, value: impl Into<TransactionValue>) -> Result<(), TransactionError> {
        let value: TransactionValue = value.into();
        effect!(transaction::set_metadata(key, Some(&value.cross())), |login| login.set_transaction_metadata(key, Some(value)))
    }

    /// Removes one entry; a missing one is no error.
    ///
    /// # Errors
    /// When there is no transaction, or no entry can have such a key.
    pub fn delete_metadata(&self, key: &str) -> Result<(), TransactionError> {
        effect!(transaction::set_metadata(key, None), |login| login.set_transaction_metadata(key, None))
    }
}
