//! Components: a draft, which is built, and the versions that came of drafts.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vestibule_model::{ComponentDigest, Timestamp};

use super::action::StoredAction;
use super::binding::PolicyRevision;
use crate::tokens::VersionUid;

/// What is known of a component when it was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentInfo {
    /// The version of the contract that it was built for.
    pub contract: String,
    /// What it can see and do, a function each: `event-user.email` for instance.
    pub capabilities: BTreeSet<String>,
    /// The interfaces of WASI that its language's standard library wants.
    pub plumbing: BTreeSet<String>,
    /// The name that it carries.
    pub name: String,
    /// The version that it carries.
    pub version: String,
    /// How it was built, as far as it says so.
    #[serde(default)]
    pub build: Map<String, Value>,
}

/// How far a draft has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildStatus {
    /// It was uploaded.
    Pending,
    /// Somebody compiles it.
    Building,
    /// It can be deployed.
    Built,
    /// It can't.
    Failed,
}

impl BuildStatus {
    /// All that there are.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Building, Self::Built, Self::Failed];

    /// In a word, as Auth0 has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Building => "building",
            Self::Built => "built",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// Why a draft could not be built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildError {
    /// In a word, for programs.
    pub id: String,
    /// For its author.
    pub message: String,
}

/// The component that was uploaded last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its bytes' name.
    pub digest: ComponentDigest,
    /// How many bytes it has.
    pub size: u64,
    /// How far it has come.
    pub status: BuildStatus,
    /// Why it could not be built.
    pub errors: Vec<BuildError>,
    /// What is known of it, when it was built.
    pub info: Option<ComponentInfo>,
    /// When it was uploaded, or its status has changed.
    pub updated_at: Timestamp,
    /// When it was built.
    pub built_at: Option<Timestamp>,
}

/// A component that was deployed once. It doesn't change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its id.
    pub id: VersionUid,
    /// Its number among the Action's versions, from 1.
    pub number: u32,
    /// Its bytes' name.
    pub digest: ComponentDigest,
    /// How many bytes it has.
    pub size: u64,
    /// What is known of it.
    pub info: ComponentInfo,
    /// When it was deployed first.
    pub created_at: Timestamp,
    /// When it was built.
    pub built_at: Timestamp,
}

/// Some of an Action's versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionList {
    /// The newest first.
    pub versions: Vec<Version>,
    /// How many there are in all.
    pub total: u64,
}

/// How much of its components a tenant keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Bytes of all its components: an upload that goes beyond is refused.
    pub bytes: u64,
    /// Versions of one Action, the newest ones: older ones go when another is made.
    pub versions: u64,
}

/// What has become of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DraftPut {
    /// It is the Action's draft, which is pending.
    Put(Box<StoredAction>),
    /// There is no such Action.
    Absent,
    /// The tenant would have more bytes of components than it may. Nothing has changed.
    TooManyBytes,
}

/// What a deployment was decided on. Nothing is changed where something of it is another by now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// The version that ran; none where none did.
    pub running: Option<VersionUid>,
    /// The Action's revision, where its name or its settings were looked at. `None`: whatever it
    /// is.
    pub action: Option<u64>,
    /// The revision of the tenant's policy. `None`: whatever it is.
    pub policy: Option<PolicyRevision>,
}

impl From<Option<VersionUid>> for Basis {
    /// The running version alone.
    fn from(running: Option<VersionUid>) -> Self {
        Self { running, ..Self::default() }
    }
}

/// What has become of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deployed {
    /// Logins run it from now on, where the Action is bound.
    Deployed(Box<StoredAction>),
    /// There is no such Action, or no such version.
    Absent,
    /// There is no draft, or it isn't built.
    NotBuilt,
    /// The draft, or something of the [`Basis`], is another than was looked at. Nothing has
    /// changed.
    Overtaken,
}
