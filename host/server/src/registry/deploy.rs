//! Deploying: what a version may see and do, and that it is ready before logins run it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value};
use vestibule::action_cache::CachedAction;
use vestibule::capability::{Capabilities, Capability, CapabilityPolicy};
use vestibule::load::Deployed;
use vestibule::model::{ActionId, ComponentDigest, TenantId, Timestamp};
use vestibule_sessions::{
    ActionName, ActionUid, Basis, BuildStatus, ComponentInfo, Deployed as Deployment, PolicyRevision, StoredAction, Version,
    VersionUid,
};

use super::build::is_of_host;
use super::settings::ORIGINS;
use crate::app::App;
use crate::error::ApiError;
use crate::tenant::Tenant;

/// How often it is tried where others change the same Action, or the policy, at the same time.
const TRIES: usize = 4;

/// What is to run.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// What was uploaded last, as a new version; where the caller says which component that is, no
    /// other.
    Draft(Option<ComponentDigest>),
    /// A version that is there.
    Version {
        /// Which.
        id: VersionUid,
        /// Whether the draft becomes the same.
        update_draft: bool,
    },
}

/// What is looked at before it runs.
pub(super) struct Candidate<'a> {
    pub(super) digest: &'a ComponentDigest,
    pub(super) info: &'a ComponentInfo,
}

/// Deploys a draft or a version: the Action as it is then, and the version that runs.
pub(crate) async fn deploy(
    app: &App,
    tenant: &Tenant,
    id: &ActionUid,
    wanted: Wanted,
    accepts: bool,
) -> Result<(StoredAction, Version), ApiError> {
    let of = &tenant.settings.id;
    for _ in 0..TRIES {
        let action = app.store().action(of, id).await?.ok_or_else(no_action)?;
        let older = match &wanted {
            Wanted::Draft(_) => None,
            Wanted::Version { id: version, .. } => Some(app.store().version(of, id, version).await?.ok_or_else(no_version)?),
        };
        if let Wanted::Draft(Some(meant)) = &wanted
            && action.draft.as_ref().is_some_and(|draft| draft.digest != *meant)
        {
            return Err(ApiError::conflict("overtaken", "others have uploaded another component meanwhile; upload it again"));
        }
        let candidate = match &older {
            Some(version) => Candidate { digest: &version.digest, info: &version.info },
            None => built(&action)?,
        };
        let policy = check_policy(app, tenant, &action.name, candidate.info).await?;
        check_added(&action, candidate.info, accepts)?;
        check_requests(&action, candidate.info)?;
        let number = match &older {
            Some(version) => version.number,
            None => {
                let newest = app.store().versions(of, id, 0, 1).await?.ok_or_else(no_action)?;
                newest.versions.first().map_or(1, |newest| newest.number + 1)
            }
        };
        // Kept until the flow has it: what nobody has is let go.
        let _ready = make_ready(app, of, &action, number, &candidate).await?;
        // The name was looked at, and the policy: where one of them is another by now, all of it is
        // looked at again.
        let running = action.deployed.as_ref().map(|running| running.id);
        let basis = Basis { running, action: Some(action.revision), policy: Some(policy) };
        let now = Timestamp::now();
        let deployed = match &wanted {
            Wanted::Draft(_) => app.store().deploy_draft(of, id, candidate.digest, basis, app.registry().keeping(), now).await?,
            Wanted::Version { id: version, update_draft } => {
                app.store().deploy_version(of, id, version, basis, *update_draft, now).await?
            }
        };
        match deployed {
            Deployment::Deployed(action) => {
                let action = *action;
                app.registry().changed(app, of).await?;
                let version = action.deployed.clone().ok_or_else(|| ApiError::internal(&"the store has deployed nothing"))?;
                tracing::info!(tenant = %of, action = %action.name, version = version.number, "deployed");
                return Ok((action, version));
            }
            Deployment::Absent => return Err(no_action()),
            Deployment::NotBuilt => return Err(not_built()),
            Deployment::Overtaken => {}
        }
    }
    Err(ApiError::conflict("overtaken", "others deploy this Action at the same time; look at what runs now, and send it again"))
}

fn no_action() -> ApiError {
    ApiError::not_found("inexistent_action", "The action does not exist.")
}

fn no_version() -> ApiError {
    ApiError::not_found("inexistent_version", "The version of the action does not exist.")
}

fn not_built() -> ApiError {
    ApiError::bad_request(
        "not_built",
        "the component that was uploaded last is not built yet; wait until its `status` is `built`",
    )
}

/// The draft, where it can be run.
pub(super) fn built(action: &StoredAction) -> Result<Candidate<'_>, ApiError> {
    let missing = "there is no component yet; upload one with `PUT /api/v2/actions/actions/{id}/component`";
    let draft = action.draft.as_ref().ok_or_else(|| ApiError::bad_request("not_built", missing))?;
    match (draft.status, &draft.info) {
        (BuildStatus::Built, Some(info)) => Ok(Candidate { digest: &draft.digest, info }),
        (BuildStatus::Failed, _) => {
            let errors: Vec<&str> = draft.errors.iter().map(|error| error.message.as_str()).collect();
            Err(ApiError::bad_request("build_failed", format!("the component can't be built: {}", errors.join("; "))))
        }
        _ => Err(not_built()),
    }
}

/// Whether both policies, the operator's and the tenant's, let an Action of this name use what it
/// wants. Which policy of the tenant's that was.
pub(crate) async fn check_policy(
    app: &App,
    tenant: &Tenant,
    name: &ActionName,
    info: &ComponentInfo,
) -> Result<PolicyRevision, ApiError> {
    let (own, revision) = tenants_policy(app, &tenant.settings.id).await?;
    let refused: BTreeSet<String> =
        [&own, &tenant.settings.capabilities].into_iter().flat_map(|policy| refused(policy, name, info)).collect();
    if refused.is_empty() {
        return Ok(revision);
    }
    Err(ApiError::capabilities_refused(name.as_str(), refused.into_iter().collect()))
}

/// What a policy refuses to an Action of this name.
pub(super) fn refused(policy: &CapabilityPolicy, name: &ActionName, info: &ComponentInfo) -> Vec<String> {
    policy.refused(name.as_str(), &capabilities(info)).into_iter().map(|capability| capability.to_string()).collect()
}

/// The tenant's own policy; where it has none, everything is allowed.
pub(crate) async fn tenants_policy(app: &App, tenant: &TenantId) -> Result<(CapabilityPolicy, PolicyRevision), ApiError> {
    let kept = app.store().policy(tenant).await?;
    let revision = PolicyRevision::of(kept.as_ref());
    let Some(kept) = kept else { return Ok((CapabilityPolicy::default(), revision)) };
    // One that can't be read allows nothing that it may have refused.
    let policy = serde_json::from_value(Value::Object(kept.body)).map_err(|error| {
        ApiError::internal(&format_args!("the tenant's capability policy can't be read: {error}; set it again"))
    })?;
    Ok((policy, revision))
}

/// Whether it wants no more than the version that runs, or that was said to be right.
fn check_added(action: &StoredAction, info: &ComponentInfo, accepts: bool) -> Result<(), ApiError> {
    let Some(running) = action.deployed.as_ref().filter(|_| !accepts) else { return Ok(()) };
    let added = capabilities(info).added_since(&capabilities(&running.info));
    if added.is_empty() {
        return Ok(());
    }
    let added = added.iter().map(ToString::to_string).collect();
    Err(ApiError::capabilities_not_accepted(action.name.as_str(), added))
}

/// Whether an Action that sends requests has somewhere to send them: without that, each of its
/// logins would fail.
pub(crate) fn check_requests(action: &StoredAction, info: &ComponentInfo) -> Result<(), ApiError> {
    check_requests_with(action, &action.settings, info)
}

/// The same with other settings than the Action has.
pub(crate) fn check_requests_with(
    action: &StoredAction,
    settings: &Map<String, Value>,
    info: &ComponentInfo,
) -> Result<(), ApiError> {
    let has_origins = settings.get(ORIGINS).and_then(Value::as_array).is_some_and(|origins| !origins.is_empty());
    if has_origins || !capabilities(info).sends_requests() {
        return Ok(());
    }
    let what =
        format!("{} sends HTTP requests, and its `allowed_origins` has none; name the origins that it may send to", action.name);
    Err(ApiError::bad_request("requests_not_allowed", what))
}

/// Brings it into memory, compiled where that is needed, before any login may want it.
async fn make_ready(
    app: &App,
    tenant: &TenantId,
    action: &StoredAction,
    number: u32,
    candidate: &Candidate<'_>,
) -> Result<CachedAction, ApiError> {
    let id = ActionId::new(action.name.as_str(), &number.to_string()).map_err(|error| ApiError::internal(&error))?;
    let cached = app.registry().action_cache.insert(tenant, deployed(id, candidate.digest, candidate.info));
    match cached.make_ready().await {
        Ok(()) => Ok(cached),
        // The operator's log has why, since the `ActionCache` tells it.
        Err(error) if is_of_host(&error) => {
            let message =
                "this server can't bring the component into memory now, and its log says why; nothing was deployed, try again";
            Err(ApiError::unavailable("not_ready", message, Duration::from_secs(1)))
        }
        Err(error) => {
            let message = format!("the component can't be made ready on this server: {error}");
            Err(ApiError::bad_request("build_failed", message))
        }
    }
}

/// What a component can see and do.
fn capabilities(info: &ComponentInfo) -> Capabilities {
    let read = |text: &String| {
        let unknown = || Capability { interface: text.clone(), function: String::new() };
        text.parse::<Capability>().unwrap_or_else(|_| unknown())
    };
    Capabilities { capabilities: info.capabilities.iter().map(read).collect(), plumbing: info.plumbing.clone() }
}

/// A component as the `ActionCache` takes it.
pub(super) fn deployed(id: ActionId, digest: &ComponentDigest, info: &ComponentInfo) -> Deployed {
    Deployed { id, digest: *digest, capabilities: capabilities(info) }
}
