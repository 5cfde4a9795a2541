//! Why an Action fails its login.

use std::fmt;

/// Why an Action fails its login: a text for the tenant's log.
///
/// Every error becomes one with `?`, with its causes. For words of your own: [`Error::new`].
pub struct Error(String);

/// What an Action returns. An error fails the login, and nothing that its flow asked for is kept.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error in your own words.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.0
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self(message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
