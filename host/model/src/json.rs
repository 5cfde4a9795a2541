//! JSON objects, and how many bytes they would take as text, without writing them out at each
//! change.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Map, Value};

use crate::ActionId;

/// A JSON object.
pub type Object = Map<String, Value>;

/// Merges a value into another, as JSON Merge Patch (RFC 7396): objects member by member, `null`
/// removes a member, and anything else replaces what is there.
pub fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                if value.is_null() {
                    into.remove(&name);
                } else {
                    merge(into.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from,
    }
}

struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes that a value takes as compact JSON.
pub(crate) fn bytes<T: serde::Serialize + ?Sized>(value: &T) -> usize {
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => counter.0,
        // A value that can't be written (a map with keys that are no strings) can't be one of ours.
        Err(_) => usize::MAX,
    }
}

/// The bytes that one member takes: name, colon, value, comma.
pub(crate) fn member_bytes(name: &str, value: &Value) -> usize {
    bytes(name).saturating_add(bytes(value)).saturating_add(2)
}

/// Changes of a JSON object: members set, or (`None`) removed. Knows the size that the changed
/// object has.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObjectChanges {
    members: BTreeMap<Box<str>, Change>,
    /// Bytes of all members as they stand now; `None` until the first change.
    bytes: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) value: Option<Value>,
    pub(crate) by: ActionId,
}

impl ObjectChanges {
    /// Sets a member, or removes it; gives the size that the object would have where that is more
    /// than `limit`.
    pub(crate) fn set(&mut self, base: &Object, name: &str, value: Option<Value>, limit: u32, by: ActionId) -> Result<(), u32> {
        let bytes = match self.bytes {
            Some(bytes) => bytes,
            None => base.iter().map(|(name, value)| member_bytes(name, value)).sum(),
        };
        let before = self.get(base, name).map_or(0, |value| member_bytes(name, value));
        let after = value.as_ref().map_or(0, |value| member_bytes(name, value));
        let bytes = bytes - before + after;
        // What shrinks is never refused, even where the platform has sent more than we allow.
        if bytes > limit as usize && after > before {
            return Err(crate::metadata::size(bytes));
        }
        self.bytes = Some(bytes);
        self.members.insert(name.into(), Change { value, by });
        Ok(())
    }

    fn get<'a>(&'a self, base: &'a Object, name: &str) -> Option<&'a Value> {
        match self.members.get(name) {
            Some(change) => change.value.as_ref(),
            None => base.get(name),
        }
    }

    /// The object with these changes.
    pub(crate) fn apply(&self, base: &Object) -> Object {
        let mut object = base.clone();
        for (name, change) in &self.members {
            match &change.value {
                Some(value) => object.insert(name.to_string(), value.clone()),
                None => object.remove(name.as_ref()),
            };
        }
        object
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Change)> {
        self.members.iter().map(|(name, change)| (name.as_ref(), change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_counted_size_is_the_written_size(
            base in prop::collection::btree_map("[a-c]{1,2}", "\\PC{0,9}", 0..6),
            steps in prop::collection::vec(("[a-c]{1,2}", prop::option::of("\\PC{0,9}")), 1..20),
        ) {
            let base: Object = base.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
            let mut changes = ObjectChanges::default();
            for (name, value) in steps {
                changes.set(&base, &name, value.map(Value::from), 1_000_000, ActionId::unknown()).unwrap();
                let object = changes.apply(&base);
                // Braces add two, and the last member has no comma.
                let written = serde_json::to_string(&object).unwrap().len() - 2 + usize::from(!object.is_empty());
                prop_assert_eq!(changes.bytes, Some(written));
            }
        }
    }
}
