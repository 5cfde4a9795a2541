//! An Action as a registry has it.

use vestibule_model::{ActionId, ComponentDigest};

use crate::contract::Capabilities;

/// An Action as it was deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// What it is called in reports, whatever its component says.
    pub id: ActionId,
    /// Its component.
    pub digest: ComponentDigest,
    /// What was accepted when it was deployed. A component that imports anything else is not
    /// loaded.
    pub capabilities: Capabilities,
}
