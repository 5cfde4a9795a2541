//! An Action's row, and what changes it. Both databases read a row, change it here, and write it
//! back.

use serde_json::{Map, Value};
use vestibule_model::{ComponentDigest, Timestamp};

use super::registry::{VersionRow, digest_of, size_of};
use super::{corrupt, count, from_json, json, millis, timestamp};
use crate::error::StoreError;
use crate::registry::{Basis, BuildError, BuildStatus, ComponentInfo, Draft, NewAction, SecretInfo, StoredAction};
use crate::tokens::VersionUid;

/// The columns of an Action, in the order in which they are selected. Before
/// [`super::registry::version_columns`] they make all of it but its secrets.
macro_rules! action_columns {
    () => {
        "actions.id, actions.name, actions.trigger_id, actions.settings, actions.draft_digest, actions.draft_size, \
         actions.draft_status, actions.draft_errors, actions.draft_info, actions.draft_updated_at, actions.draft_built_at, \
         actions.build_until, actions.deployed, actions.last_version, actions.created_at, actions.updated_at, actions.revision"
    };
}
pub(crate) use action_columns;

/// How many columns these are.
pub(crate) const ACTION_COLUMNS: usize = 17;

const ACTION: &str = "an Action";

/// An Action's row, without its tenant.
#[derive(Clone, Debug)]
pub(crate) struct ActionRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) trigger_id: String,
    pub(crate) settings: String,
    pub(crate) draft_digest: Option<String>,
    pub(crate) draft_size: Option<i64>,
    pub(crate) draft_status: Option<String>,
    /// A list, empty where there are none.
    pub(crate) draft_errors: Option<String>,
    pub(crate) draft_info: Option<String>,
    pub(crate) draft_updated_at: Option<i64>,
    pub(crate) draft_built_at: Option<i64>,
    /// While somebody builds the draft, when another one may.
    pub(crate) build_until: Option<i64>,
    /// The id of the version that runs.
    pub(crate) deployed: Option<String>,
    /// The number of the version that was made last; 0 where there is none.
    pub(crate) last_version: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) revision: i64,
}

impl ActionRow {
    /// A new one.
    pub(crate) fn new(action: &NewAction, now: Timestamp) -> Self {
        Self {
            id: action.id.to_string(),
            name: action.name.as_str().to_owned(),
            trigger_id: action.trigger.as_str().to_owned(),
            settings: json(&action.settings),
            draft_digest: None,
            draft_size: None,
            draft_status: None,
            draft_errors: None,
            draft_info: None,
            draft_updated_at: None,
            draft_built_at: None,
            build_until: None,
            deployed: None,
            last_version: 0,
            created_at: millis(now),
            updated_at: millis(now),
            revision: 1,
        }
    }

    /// Counts a change. Clocks of several hosts differ; no moment goes back for that.
    pub(crate) fn touch(&mut self, now: Timestamp) {
        self.updated_at = self.updated_at.max(millis(now));
        self.revision = self.revision.saturating_add(1);
    }

    /// Whether it is the one that somebody has looked at.
    pub(crate) fn has_revision(&self, looked_at: Option<u64>) -> bool {
        looked_at.is_none_or(|revision| u64::try_from(self.revision) == Ok(revision))
    }

    /// Whether a deployment that was decided on this is still right, as far as the Action goes.
    pub(crate) fn is_still(&self, basis: &Basis) -> bool {
        self.runs(basis.running.as_ref()) && self.has_revision(basis.action)
    }

    pub(crate) fn has_draft(&self, digest: &ComponentDigest) -> bool {
        self.draft_digest.as_deref() == Some(digest.to_string().as_str())
    }

    fn has_status(&self, status: BuildStatus) -> bool {
        self.draft_status.as_deref() == Some(status.as_str())
    }

    pub(crate) fn is_built(&self) -> bool {
        self.has_status(BuildStatus::Built)
    }

    /// Whether this version runs; where none is given, whether none does.
    pub(crate) fn runs(&self, version: Option<&VersionUid>) -> bool {
        self.deployed == version.map(VersionUid::to_string)
    }

    /// Makes these bytes the draft.
    pub(crate) fn put_draft(&mut self, digest: &ComponentDigest, size: usize, now: Timestamp) {
        self.draft_digest = Some(digest.to_string());
        self.draft_size = Some(i64::try_from(size).unwrap_or(i64::MAX));
        self.draft_info = None;
        self.set_status(BuildStatus::Pending, &[], now);
        self.draft_built_at = None;
        self.touch(now);
    }

    /// Makes the building somebody's until that moment. Whether it is.
    pub(crate) fn begin_build(&mut self, digest: &ComponentDigest, now: Timestamp, until: Timestamp) -> bool {
        let is_over = self.build_until.is_none_or(|until| until <= millis(now));
        let is_free = self.has_status(BuildStatus::Pending) || self.has_status(BuildStatus::Building) && is_over;
        if !self.has_draft(digest) || !is_free {
            return false;
        }
        self.set_status(BuildStatus::Building, &[], now);
        self.build_until = Some(millis(until));
        true
    }

    /// Ends the building of this draft. Whether it has ended by this: what was built, or has
    /// failed, stays so.
    pub(crate) fn end_build(
        &mut self,
        digest: &ComponentDigest,
        built: &Result<ComponentInfo, Vec<BuildError>>,
        now: Timestamp,
    ) -> bool {
        let is_under_way = self.has_status(BuildStatus::Pending) || self.has_status(BuildStatus::Building);
        if !self.has_draft(digest) || !is_under_way {
            return false;
        }
        match built {
            Ok(info) => {
                self.draft_info = Some(json(info));
                self.set_status(BuildStatus::Built, &[], now);
                self.draft_built_at = self.draft_updated_at;
            }
            Err(errors) => self.set_status(BuildStatus::Failed, errors, now),
        }
        true
    }

    fn set_status(&mut self, status: BuildStatus, errors: &[BuildError], now: Timestamp) {
        self.draft_status = Some(status.as_str().to_owned());
        self.draft_errors = Some(json(&errors));
        self.draft_updated_at = Some(self.draft_updated_at.map_or(millis(now), |at| at.max(millis(now))));
        self.build_until = None;
    }

    /// Makes a version of the draft, and runs it. None where it isn't built.
    pub(crate) fn deploy_draft(&mut self, now: Timestamp) -> Result<Option<VersionRow>, StoreError> {
        let (Some(digest), Some(size), Some(info), Some(built_at), true) =
            (&self.draft_digest, self.draft_size, &self.draft_info, self.draft_built_at, self.is_built())
        else {
            return Ok(None);
        };
        let version = VersionRow {
            id: VersionUid::random()?.to_string(),
            number: self.last_version.saturating_add(1),
            digest: digest.clone(),
            size,
            info: info.clone(),
            created_at: millis(now),
            built_at,
        };
        self.last_version = version.number;
        self.deployed = Some(version.id.clone());
        self.touch(now);
        Ok(Some(version))
    }

    /// Runs a version again, and makes it the draft where that is wanted.
    pub(crate) fn deploy_version(&mut self, version: &VersionRow, update_draft: bool, now: Timestamp) {
        self.deployed = Some(version.id.clone());
        if update_draft {
            self.draft_digest = Some(version.digest.clone());
            self.draft_size = Some(version.size);
            self.draft_info = Some(version.info.clone());
            self.set_status(BuildStatus::Built, &[], now);
            self.draft_built_at = Some(version.built_at);
        }
        self.touch(now);
    }

    /// Puts these in place of the settings.
    pub(crate) fn set_settings(&mut self, settings: &Map<String, Value>) {
        self.settings = json(settings);
    }

    /// What the row holds, with the version that it runs and its secrets by their names.
    pub(crate) fn read(&self, deployed: Option<&VersionRow>, secrets: Vec<SecretInfo>) -> Result<StoredAction, StoreError> {
        if deployed.map(|version| &version.id) != self.deployed.as_ref() {
            return Err(corrupt(ACTION, "the version that it runs is not there"));
        }
        Ok(StoredAction {
            id: self.id.parse().map_err(|_| corrupt(ACTION, "`id` is no Action's id"))?,
            name: self.name.parse().map_err(|_| corrupt(ACTION, "`name` is no Action's name"))?,
            trigger: self.trigger_id.parse().map_err(|_| corrupt(ACTION, "`trigger_id` is none that is known"))?,
            settings: from_json(ACTION, "settings", &self.settings)?,
            secrets,
            draft: self.draft()?,
            deployed: deployed.map(VersionRow::read).transpose()?,
            created_at: timestamp(self.created_at)?,
            updated_at: timestamp(self.updated_at)?,
            revision: count(ACTION, "revision", self.revision)?,
        })
    }

    fn draft(&self) -> Result<Option<Draft>, StoreError> {
        let (digest, size, status, updated_at) =
            match (&self.draft_digest, self.draft_size, &self.draft_status, self.draft_updated_at) {
                (None, None, None, None) => return Ok(None),
                (Some(digest), Some(size), Some(status), Some(updated_at)) => (digest, size, status, updated_at),
                _ => return Err(corrupt(ACTION, "half of its draft")),
            };
        let errors = self.draft_errors.as_deref();
        let info = self.draft_info.as_deref();
        Ok(Some(Draft {
            digest: digest_of(ACTION, digest)?,
            size: size_of(ACTION, size)?,
            status: BuildStatus::of(status).ok_or_else(|| corrupt(ACTION, "`draft_status` is none that is known"))?,
            errors: errors.map(|errors| from_json(ACTION, "draft_errors", errors)).transpose()?.unwrap_or_default(),
            info: info.map(|info| from_json(ACTION, "draft_info", info)).transpose()?,
            updated_at: timestamp(updated_at)?,
            built_at: self.draft_built_at.map(timestamp).transpose()?,
        }))
    }
}
