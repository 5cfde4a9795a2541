//! `multifactor`: whether a second factor is required when the flow has ended.

use serde::Serialize;

use super::Login;
use crate::ActionId;

/// What asks for the second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// Whichever the tenant has set up.
    Any,
    /// Duo.
    Duo,
    /// A code of an authenticator app.
    GoogleAuthenticator,
    /// Guardian.
    Guardian,
    /// No second factor is asked for.
    None,
}

#[derive(Clone, Debug)]
pub(crate) struct MultifactorChange {
    pub(crate) provider: Provider,
    pub(crate) allow_remember_browser: bool,
    pub(crate) by: ActionId,
}

impl Login {
    /// `multifactor.enable`: requires a second factor. The last call counts.
    pub fn enable_multifactor(&mut self, provider: Provider, allow_remember_browser: bool) {
        self.changes.multifactor = Some(MultifactorChange { provider, allow_remember_browser, by: self.action.clone() });
    }
}
