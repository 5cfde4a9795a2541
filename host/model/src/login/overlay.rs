//! Changes of metadata over what it was before: the session's, and the refresh token's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limits;
use crate::error::{LimitExceeded, MetadataError};
use crate::metadata::{check_value, size};
use crate::{ActionId, Metadata, MetadataKey};

/// What was asked for of some metadata. What it was before is given to each function, since the
/// event has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetadataChanges {
    /// The entries of before were removed before `entries` were written.
    pub(crate) evicted: bool,
    pub(crate) entries: BTreeMap<MetadataKey, Written>,
}

/// One entry as it was written last: a value, or `None` where it was deleted.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) value: Option<Arc<str>>,
    pub(crate) by: ActionId,
}

impl MetadataChanges {
    pub(crate) fn entry<'a>(&'a self, before: Option<&'a Metadata>, key: &str) -> Option<&'a str> {
        if let Some(written) = self.entries.get(key) {
            return written.value.as_deref();
        }
        if self.evicted { None } else { before?.get(key) }
    }

    /// All entries, sorted by key.
    pub(crate) fn all<'a>(&'a self, before: Option<&'a Metadata>) -> BTreeMap<&'a MetadataKey, &'a str> {
        let before = before.filter(|_| !self.evicted).into_iter().flat_map(Metadata::iter);
        let kept = before.filter(|(key, _)| !self.entries.contains_key(*key));
        let written = self.entries.iter().filter_map(|(key, written)| Some((key, written.value.as_deref()?)));
        kept.chain(written).collect()
    }

    pub(crate) fn set(&mut self, before: &Metadata, key: &str, value: &str, by: ActionId) -> Result<(), MetadataError> {
        let key: MetadataKey = key.parse()?;
        check_value(&key, value)?;
        if self.entry(Some(before), key.as_str()).is_none() {
            let (given, limit) = (size(self.count(before) + 1), limits::METADATA_ENTRIES);
            if given > limit {
                return Err(MetadataError::TooManyEntries(LimitExceeded { given, limit }));
            }
        }
        self.entries.insert(key, Written { value: Some(value.into()), by });
        Ok(())
    }

    pub(crate) fn delete(&mut self, before: &Metadata, key: &str, by: ActionId) -> Result<(), MetadataError> {
        let key: MetadataKey = key.parse()?;
        if self.entry(Some(before), key.as_str()).is_some() {
            self.entries.insert(key, Written { value: None, by });
        }
        Ok(())
    }

    pub(crate) fn evict(&mut self, before: &Metadata, by: &ActionId) {
        self.evicted = true;
        self.entries = before.iter().map(|(key, _)| (key.clone(), Written { value: None, by: by.clone() })).collect();
    }

    /// The metadata as it is with the changes.
    pub(crate) fn apply(&self, before: Option<&Metadata>) -> Metadata {
        let mut metadata = before.cloned().unwrap_or_default();
        if self.evicted {
            metadata.evict();
        }
        // Each change was checked when it was asked for.
        for (key, written) in &self.entries {
            match &written.value {
                Some(value) => metadata.set_checked(key.clone(), Arc::clone(value)),
                None => metadata.delete(key),
            }
        }
        metadata
    }

    fn count(&self, before: &Metadata) -> usize {
        let written = self.entries.values().filter(|written| written.value.is_some()).count();
        let before = Some(before).filter(|_| !self.evicted).into_iter().flat_map(Metadata::iter);
        written + before.filter(|(key, _)| !self.entries.contains_key(*key)).count()
    }
}
