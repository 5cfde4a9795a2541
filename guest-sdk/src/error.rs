//! Why an Action fails its login.

use std::fmt;
use std::panic::Location;

/// Why an Action fails its login: a text for the tenant's log, and the line of the Action that it
/// comes from.
///
/// Every error becomes one with `?`, with its causes. For words of your own: [`Error::new`].
pub struct Error {
    message: String,
    place: &'static Location<'static>,
}

/// What an Action returns. An error fails the login, and nothing that its flow asked for is kept.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error in your own words.
    #[track_caller]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: Location::caller() }
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// As the contract has it: the text, and on a line of its own the place.
    pub(crate) fn told(self) -> String {
        format!("{}\n    at {}", self.message, self.place)
    }
}

impl<E: std::error::Error> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self { message, place: Location::caller() }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
