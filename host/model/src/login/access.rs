//! `access` and `validation`: whether the login goes on.

use super::{Login, limits};
use crate::ActionId;
use crate::error::{AccessError, ValidationError};
use crate::metadata::at_most;

#[derive(Clone, Debug)]
pub(crate) struct Denial {
    pub(crate) reason: String,
    pub(crate) by: ActionId,
}

#[derive(Clone, Debug)]
pub(crate) struct Rejection {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Login {
    /// `access.deny`: denies the login. The first call counts; no later Action runs.
    ///
    /// # Errors
    /// When the reason is too long; the login is not denied then.
    pub fn deny(&mut self, reason: &str) -> Result<(), AccessError> {
        at_most(limits::REASON_CHARACTERS, reason).map_err(AccessError::ReasonTooLong)?;
        let by = &self.action;
        self.changes.denial.get_or_insert_with(|| Denial { reason: reason.to_owned(), by: by.clone() });
        Ok(())
    }

    /// `validation.error`: fails the login with the Action's own error. The first call counts.
    ///
    /// # Errors
    /// When the code is empty, or one of them too long; the login does not fail by it then.
    pub fn reject(&mut self, code: &str, message: &str) -> Result<(), ValidationError> {
        if code.is_empty() {
            return Err(ValidationError::EmptyCode);
        }
        at_most(limits::CODE_CHARACTERS, code).map_err(ValidationError::CodeTooLong)?;
        at_most(limits::REASON_CHARACTERS, message).map_err(ValidationError::MessageTooLong)?;
        self.changes.rejection.get_or_insert_with(|| Rejection { code: code.to_owned(), message: message.to_owned() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::login;
    use super::*;
    use crate::error::LimitExceeded;
    use crate::outcome::{ActionResult, Failure};

    #[test]
    fn the_first_denial_counts() {
        let mut login = login();
        login.deny("first").unwrap();
        login.deny("second").unwrap();
        assert_eq!(login.changes().denial.as_ref().map(|denial| denial.reason.as_str()), Some("first"));
    }

    #[test]
    fn a_reason_has_at_most_1024_characters() {
        let mut login = login();
        let too_long = LimitExceeded { given: 1_025, limit: 1_024 };
        assert_eq!(login.deny(&"é".repeat(1_025)), Err(AccessError::ReasonTooLong(too_long)));
        assert!(!login.is_stopped());
        assert_eq!(login.deny(&"é".repeat(1_024)), Ok(()));
        assert!(login.is_stopped());
    }

    #[test]
    fn an_own_error_has_a_code_and_a_short_message() {
        let mut login = login();
        assert_eq!(login.reject("", "m"), Err(ValidationError::EmptyCode));
        assert!(matches!(login.reject(&"c".repeat(256), "m"), Err(ValidationError::CodeTooLong(_))));
        assert!(matches!(login.reject("c", &"m".repeat(1_025)), Err(ValidationError::MessageTooLong(_))));
        assert_eq!(login.conclude(Ok(())), ActionResult::Ok);
        login.reject("first", "m").unwrap();
        login.reject("second", "m").unwrap();
        let first = Failure::Rejected { code: "first".into(), message: "m".into() };
        assert_eq!(login.conclude(Ok(())), ActionResult::Failed(first));
    }
}
