//! `api.multifactor`: whether a second factor is required when the flow has ended.

use vestibule_model::Provider;

use crate::door::ask;

/// Whether a second factor is required when the flow has ended.
#[derive(Clone, Copy, Debug)]
pub struct Multifactor(pub(super) ());

impl Multifactor {
    /// Requires a second factor at every login. The last call counts; [`Provider::None`] takes back
    /// what was required.
    pub fn enable(&self, provider: Provider) {
        self.require(provider, false);
    }

    /// Requires a second factor, and lets the user have the browser remembered. The last call
    /// counts.
    pub fn enable_and_remember_browser(&self, provider: Provider) {
        self.require(provider, true);
    }

    fn require(&self, provider: Provider, allow_remember_browser: bool) {
        ask!(multifactor::enable(provider.cross(), allow_remember_browser), |login| {
            login.enable_multifactor(provider, allow_remember_browser)
        });
    }
}
