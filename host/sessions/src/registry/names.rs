//! Names, parsed once.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;
use vestibule_model::{ActionId, IdError, SecretError, Values};

use crate::ids::text;

/// The longest name of an Action, in bytes.
const LONGEST: usize = 128;

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// An Action can't be called so.
    #[error(transparent)]
    Action(#[from] IdError),
    /// An Action's name is short enough to be read.
    #[error("the Action's name has {given} bytes, at most {LONGEST} are allowed")]
    TooLong {
        /// Its length in bytes.
        given: usize,
    },
    /// A secret can't be called so.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

text! {
    /// A deployed Action's name, one of a tenant's: 1 to 128 characters, as an Action's name is in
    /// a report ([`ActionId::new`](vestibule_model::ActionId::new)).
    ActionName
}

text! {
    /// A secret's name: 1 to 128 characters.
    SecretName
}

impl FromStr for ActionName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() > LONGEST {
            return Err(NameError::TooLong { given: text.len() });
        }
        ActionId::new(text, "1")?;
        Ok(Self(text.into()))
    }
}

impl FromStr for SecretName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        // The one place that knows how a secret may be called.
        Values::default().set(text, String::new())?;
        Ok(Self(text.into()))
    }
}

/// When an Action runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// After a user has proved who they are, and before tokens are issued.
    PostLogin,
}

/// A text that is no trigger's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("there is one trigger: post-login")]
pub struct TriggerError;

impl Trigger {
    /// All that there are.
    pub const ALL: [Self; 1] = [Self::PostLogin];

    /// Its name, as Auth0 has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PostLogin => "post-login",
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Trigger {
    type Err = TriggerError;

    fn from_str(text: &str) -> Result<Self, TriggerError> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == text).ok_or(TriggerError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actions_name_is_one_that_can_stand_in_a_report() {
        assert!("crm-sync".parse::<ActionName>().is_ok() && "a".repeat(128).parse::<ActionName>().is_ok());
        assert_eq!("a".repeat(129).parse::<ActionName>(), Err(NameError::TooLong { given: 129 }));
        assert!("CRM sync (EU)".parse::<ActionName>().is_ok());
        for wrong in ["", " crm", "crm/sync", "crm@1", "ä"] {
            assert!(matches!(wrong.parse::<ActionName>(), Err(NameError::Action(_))), "{wrong}");
        }
    }

    #[test]
    fn a_secrets_name_is_one_that_an_action_can_ask_for() {
        assert!("API_KEY".parse::<SecretName>().is_ok());
        assert_eq!("".parse::<SecretName>(), Err(NameError::Secret(SecretError::EmptyName)));
        assert!("x".repeat(129).parse::<SecretName>().is_err());
    }

    #[test]
    fn a_trigger_reads_as_it_is_written() {
        assert_eq!("post-login".parse(), Ok(Trigger::PostLogin));
        assert_eq!("pre-login".parse::<Trigger>(), Err(TriggerError));
    }
}
