//! The schema's numbered steps: which of them a database has, and which it lacks. Each database
//! applies its own.
//!
//! They go forward only. A step that has been released is never changed; its checksum in the
//! database would not be the same.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::error::StoreError;

/// One step of a schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

impl Migration {
    /// SHA-256 of its text, in hexadecimal digits.
    pub(crate) fn checksum(&self) -> String {
        Sha256::digest(self.sql).iter().fold(String::with_capacity(64), |mut text, byte| {
            // A text takes whatever is written to it.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// A step that the database says was applied to it.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) number: u32,
    pub(crate) checksum: String,
}

/// What is still to be applied, in order.
///
/// # Errors
/// When the database is of a newer program, or a step of it was another than the one that is known.
pub(crate) fn missing<'a>(known: &'a [Migration], applied: &[Applied], database: &str) -> Result<&'a [Migration], StoreError> {
    let last = known.last().map_or(0, |migration| migration.number);
    if let Some(found) = applied.iter().map(|applied| applied.number).max().filter(|found| *found > last) {
        return Err(StoreError::NewerSchema { database: database.to_owned(), found, known: last });
    }
    for (migration, applied) in known.iter().zip(applied) {
        if migration.number != applied.number || migration.checksum() != applied.checksum {
            return Err(StoreError::OtherMigration { database: database.to_owned(), number: applied.number });
        }
    }
    Ok(known.get(applied.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Migration; 2] =
        [Migration { number: 1, name: "one", sql: "1" }, Migration { number: 2, name: "two", sql: "2" }];

    fn applied(migrations: &[Migration]) -> Vec<Applied> {
        migrations.iter().map(|migration| Applied { number: migration.number, checksum: migration.checksum() }).collect()
    }

    fn numbers(missing: &[Migration]) -> Vec<u32> {
        missing.iter().map(|migration| migration.number).collect()
    }

    #[test]
    fn what_is_missing_is_what_comes_after_what_was_applied() {
        assert_eq!(numbers(missing(&KNOWN, &[], "db").unwrap()), [1, 2]);
        assert_eq!(numbers(missing(&KNOWN, &applied(&KNOWN[..1]), "db").unwrap()), [2]);
        assert!(missing(&KNOWN, &applied(&KNOWN), "db").unwrap().is_empty());
    }

    #[test]
    fn a_schema_of_a_newer_program_is_refused() {
        let error = missing(&KNOWN[..1], &applied(&KNOWN), "db").unwrap_err();
        assert!(matches!(error, StoreError::NewerSchema { found: 2, known: 1, .. }), "{error}");
    }

    #[test]
    fn a_step_that_was_another_is_refused() {
        let other = [Migration { number: 1, name: "one", sql: "another" }];
        let error = missing(&KNOWN, &applied(&other), "db").unwrap_err();
        assert!(matches!(error, StoreError::OtherMigration { number: 1, .. }), "{error}");
        let without_the_first = applied(&KNOWN[1..]);
        let error = missing(&KNOWN, &without_the_first, "db").unwrap_err();
        assert!(matches!(error, StoreError::OtherMigration { number: 2, .. }), "{error}");
    }
}
