//! `api.access` and `api.validation`: whether the login goes on.

use vestibule_model::{AccessError, ValidationError};

use crate::door::effect;

/// Whether the login goes on.
#[derive(Clone, Copy, Debug)]
pub struct Access(pub(super) ());

impl Access {
    /// Denies the login; no later Action runs. The first call counts. What was asked of the session
    /// and the user still stands.
    ///
    /// # Errors
    /// When the reason has more than 1,024 characters; the login is not denied then.
    pub fn deny(&self, reason: &str) -> Result<(), AccessError> {
        effect!(access::deny(reason), |login| login.deny(reason))
    }
}

/// The Action's own errors.
#[derive(Clone, Copy, Debug)]
pub struct Validation(pub(super) ());

impl Validation {
    /// Fails the login with an error of your own. The first call counts. Nothing that the flow
    /// asked for is kept.
    ///
    /// # Errors
    /// When the code is empty or longer than 255 characters, or the message longer than 1,024; the
    /// login does not fail by it then.
    pub fn error(&self, code: &str, message: &str) -> Result<(), ValidationError> {
        effect!(validation::error(code, message), |login| login.reject(code, message))
    }
}
