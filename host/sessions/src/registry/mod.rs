//! Deployed Actions: what tenants have uploaded, what of it runs at their logins, and what became
//! of each run.

mod action;
mod binding;
mod component;
mod execution;
mod names;
mod secret;
mod store;

pub use action::{
    ActionChange, ActionChanged, ActionCreated, ActionDeleted, ActionFilter, ActionList, NewAction, SecretChange, StoredAction,
};
pub use binding::{
    Binding, BindingsReplaced, FlowBinding, FlowChanges, NewBinding, NewBindings, PolicyRevision, StoredFlow, StoredPolicy,
};
pub use component::{Basis, BuildError, BuildStatus, ComponentInfo, Deployed, Draft, DraftPut, Keeping, Version, VersionList};
pub use execution::{Execution, ExecutionCursor, ExecutionCursorError, ExecutionFilter, ExecutionPage, ExecutionStatus};
pub use names::{ActionName, NameError, SecretName, Trigger, TriggerError};
pub use secret::{SealedSecret, SecretInfo};
pub use store::Registry;
