//! `/api/v2/actions`: Actions that are deployed to a server that runs. What Auth0's clients know is
//! as they know it; where these carry source code, Vestibule carries a component.

pub(crate) mod bindings;
pub(crate) mod collection;
pub(crate) mod component;
pub(crate) mod deploy;
pub(crate) mod executions;
mod given;
pub(crate) mod item;
mod pieces;
pub(crate) mod policy;
pub(crate) mod secrets;
pub(crate) mod shapes;
mod shown;
pub(crate) mod trial;
pub(crate) mod triggers;
pub(crate) mod versions;

use axum::Router;
use axum::routing::{get, post, put};
use vestibule::model::TenantId;
use vestibule_sessions::{ActionUid, ExecutionUid, SecretName, StoredAction, Trigger, VersionUid};

use crate::app::App;
use crate::error::ApiError;
use crate::request::InPath;

/// The routes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v2/actions/actions", get(collection::list).post(collection::create))
        .route("/api/v2/actions/actions/{id}", get(item::read).patch(item::update).delete(item::delete))
        .route("/api/v2/actions/actions/{id}/component", get(component::download).put(component::upload))
        .route("/api/v2/actions/actions/{id}/secrets/{name}", put(secrets::set).delete(secrets::remove))
        .route("/api/v2/actions/actions/{id}/deploy", post(deploy::draft))
        .route("/api/v2/actions/actions/{id}/test", post(trial::run))
        .route("/api/v2/actions/actions/{id}/versions", get(versions::list))
        .route("/api/v2/actions/actions/{id}/versions/{version}", get(versions::read))
        .route("/api/v2/actions/actions/{id}/versions/{version}/component", get(component::download_version))
        .route("/api/v2/actions/actions/{id}/versions/{version}/deploy", post(deploy::version))
        .route("/api/v2/actions/triggers", get(triggers::list))
        .route("/api/v2/actions/triggers/{trigger}/bindings", get(bindings::list).patch(bindings::replace))
        .route("/api/v2/actions/executions", get(executions::list))
        .route("/api/v2/actions/executions/{id}", get(executions::read))
        .route("/api/v2/actions/policy", get(policy::read).put(policy::replace).delete(policy::delete))
}

/// An Action of a tenant.
async fn find(app: &App, tenant: &TenantId, id: &ActionUid) -> Result<StoredAction, ApiError> {
    app.store().action(tenant, id).await?.ok_or_else(no_action)
}

fn no_action() -> ApiError {
    ApiError::not_found("inexistent_action", "The action does not exist.")
}

fn no_version() -> ApiError {
    ApiError::not_found("inexistent_version", "The version of the action does not exist.")
}

fn overtaken() -> ApiError {
    ApiError::conflict("overtaken", "others have changed this Action at the same time; look at it, and send it again")
}

fn name_taken() -> ApiError {
    ApiError::conflict("action_name_taken", "there is an Action with this name; change that one, or choose another name")
}

macro_rules! in_path {
    ($type:ty, $name:literal) => {
        impl InPath for $type {
            const NAME: &'static str = $name;

            fn read(text: &str) -> Result<Self, ApiError> {
                text.parse().map_err(|error| ApiError::invalid_path(format!("{error}")))
            }
        }
    };
}

in_path!(ActionUid, "id");
in_path!(ExecutionUid, "id");
in_path!(VersionUid, "version");

impl InPath for SecretName {
    const NAME: &'static str = "name";

    fn read(text: &str) -> Result<Self, ApiError> {
        given::secret_name(text).map_err(ApiError::invalid_path)
    }
}

impl InPath for Trigger {
    const NAME: &'static str = "trigger";

    fn read(text: &str) -> Result<Self, ApiError> {
        // An unknown one is nowhere, as any other path.
        text.parse().map_err(|_| ApiError::not_found("inexistent_trigger", "There is one trigger: `post-login`."))
    }
}
