//! Secrets are not in the configuration: it says where they are.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;
use zeroize::Zeroizing;

use super::section::Section;

/// Where a secret's value is.
#[derive(Clone, PartialEq, Eq)]
pub enum Reference {
    /// In a variable of the environment.
    Environment(String),
    /// In a file; a line's end behind it doesn't belong to it.
    File(PathBuf),
}

/// Why a secret can't be read. It never shows a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReferenceError {
    /// The variable isn't there, or isn't text.
    #[error("the environment has no variable {0}")]
    Environment(String),
    /// The file can't be read.
    #[error("can't read the secret in {}: {reason}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        reason: String,
    },
}

impl Reference {
    /// Reads `{ env = "NAME" }` or `{ file = "PATH" }`. None only where a mistake has been told.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let remedy = "write { env = \"NAME\" } or { file = \"PATH\" }: a secret's value never stands in the configuration";
        let environment = section.text("env");
        let file = section.text("file");
        section.finish();
        match (environment, file) {
            (Some(name), None) => Some(Self::Environment(name.value.to_owned())),
            (None, Some(path)) => Some(Self::File(section.source.path(path.value))),
            _ => {
                section.source.mistake(&section.span, "a secret is in one place", remedy);
                None
            }
        }
    }

    /// The value.
    ///
    /// # Errors
    /// When it isn't there.
    pub fn value(&self) -> Result<Zeroizing<String>, ReferenceError> {
        match self {
            Self::Environment(name) => {
                std::env::var(name).map(Zeroizing::new).map_err(|_| ReferenceError::Environment(name.clone()))
            }
            Self::File(file) => {
                let read = std::fs::read_to_string(file).map(Zeroizing::new);
                let text = read.map_err(|error| ReferenceError::File { file: file.clone(), reason: error.to_string() })?;
                Ok(Zeroizing::new(text.strip_suffix('\n').unwrap_or(&text).trim_end_matches('\r').to_owned()))
            }
        }
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "${name}"),
            Self::File(file) => write!(f, "{}", file.display()),
        }
    }
}
