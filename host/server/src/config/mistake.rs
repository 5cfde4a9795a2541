//! What is wrong with a configuration: where, what, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// One mistake in a configuration's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The character of the line, counted from 1.
    pub column: usize,
    /// What is wrong. Never a secret's value.
    pub what: String,
    /// What to do about it; empty where that is plain.
    pub remedy: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.what)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "\n  help: {}", self.remedy) }
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.0 {
            writeln!(f, "{mistake}")?;
        }
        let count = self.0.len();
        write!(f, "{count} {} in the configuration", if count == 1 { "mistake" } else { "mistakes" })
    }
}

/// The line and the character at a place of a text, both counted from 1.
pub(super) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// A mistake at a place of a file.
pub(super) fn at(file: &Path, text: &str, at: usize, what: String, remedy: String) -> Mistake {
    let (line, column) = place(text, at);
    Mistake { file: file.to_owned(), line, column, what, remedy }
}
