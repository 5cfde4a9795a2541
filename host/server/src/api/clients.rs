//! `/api/v2/clients`: a tenant's applications, and what they want to hear of logouts.

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use vestibule::model::Timestamp;
use vestibule_sessions::{Client, ClientCreated, ClientDeleted, ClientId, ClientSource};

use super::SMALL_BODY;
use super::client_body::{Given, shown};
use super::pages::{Fields, after, before, how_many};
use crate::app::App;
use crate::config::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::request::{Caller, InPath, PathId, body};
use crate::tenant::Tenant;

/// How often a change is made anew whose client others have changed in the meantime.
const TRIES: usize = 5;

/// Which clients.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ClientQuery {
    /// Which page, counted from nought.
    page: Option<usize>,
    /// Clients on a page, 50 by default, 100 at most.
    #[param(minimum = 1, maximum = 100)]
    per_page: Option<usize>,
    /// Whether the answer is an object with the number of all clients. Without it, it is an array.
    include_totals: Option<bool>,
    /// `next` of the page before; empty for the first one. The answer is an object then.
    from: Option<String>,
    /// How many after it, 50 by default, 100 at most.
    #[param(minimum = 1, maximum = 100)]
    take: Option<usize>,
    /// Names of members, with commas between them: these alone are shown.
    fields: Option<String>,
    /// With `false`: all but these are shown.
    include_fields: Option<bool>,
    /// Whether Auth0's global client is listed. This server has no such client, so `true` is
    /// refused.
    is_global: Option<bool>,
}

/// What is shown of a client.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FieldsQuery {
    /// Names of members, with commas between them: these alone are shown.
    fields: Option<String>,
    /// With `false`: all but these are shown.
    include_fields: Option<bool>,
}

impl InPath for ClientId {
    fn read(text: &str) -> Result<Self, ApiError> {
        text.parse().map_err(|error: vestibule::model::IdError| ApiError::invalid_path(error.to_string()))
    }
}

/// A tenant's clients, page by page.
#[utoipa::path(
    get,
    path = "/api/v2/clients",
    operation_id = "get_clients",
    tag = "clients",
    params(ClientQuery),
    security(("token" = ["read:clients"])),
    responses(
        (status = 200, description = "Clients: an array, or an object with `clients`.", body = serde_json::Value),
        (status = 400, description = "The query can't be read.", body = ErrorBody),
        (status = 401, description = "No token, or none for this tenant.", body = ErrorBody),
        (status = 403, description = "The token's scope is too little.", body = ErrorBody),
        (status = 404, description = "No tenant is called by this host.", body = ErrorBody),
        (status = 429, description = "Too many requests.", body = ErrorBody),
        (status = 503, description = "The store can't be reached.", body = ErrorBody),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<ClientQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let tenant = caller.may(&[Scope::ReadClients])?;
    let id = &tenant.settings.id;
    let Query(query) = query.map_err(|error| ApiError::invalid_query(error.body_text()))?;
    let (by_cursor, by_page) = (how_many("take", query.take)?, how_many("per_page", query.per_page)?);
    let fields = Fields::read(query.fields.as_deref(), query.include_fields);
    let show = |client: &Client| fields.of(shown(client, id));
    if query.is_global == Some(true) {
        return Err(ApiError::not_served("the global client of Auth0"));
    }
    if query.from.is_some() || query.take.is_some() {
        let from = after(query.from.as_deref()).map(str::parse::<ClientId>).transpose();
        let from = from.map_err(|error| ApiError::invalid_query(format!("`from`: {error}")))?;
        let page = tenant.lists.read(app.store().clients(id, from.as_ref(), by_cursor)).await?;
        let mut answer = Map::new();
        answer.insert("clients".to_owned(), page.clients.iter().map(show).collect());
        answer.extend(page.next.map(|next| ("next".to_owned(), next.as_str().into())));
        return Ok(Json(Value::Object(answer)));
    }
    let skip = before(query.page, by_page)?;
    let clients: Vec<Value> = tenant.lists.read(app.store().clients_from(id, skip, by_page)).await?.iter().map(show).collect();
    if query.include_totals != Some(true) {
        return Ok(Json(clients.into()));
    }
    let total = app.store().count_clients(id).await?;
    Ok(Json(json!({ "start": skip, "limit": by_page, "length": clients.len(), "total": total, "clients": clients })))
}

/// Creates a client. Without a `client_id` it gets one; with one it is the application that the
/// platform's events name so.
#[utoipa::path(
    post,
    path = "/api/v2/clients",
    operation_id = "create_client",
    tag = "clients",
    request_body(content = super::shapes::ClientCreate, content_type = "application/json"),
    security(("token" = ["create:clients"])),
    responses(
        (status = 201, description = "The client.", body = super::shapes::Client),
        (status = 400, description = "The body breaks a rule.", body = ErrorBody),
        (status = 401, description = "No token, or none for this tenant.", body = ErrorBody),
        (status = 403, description = "The token's scope is too little.", body = ErrorBody),
        (status = 404, description = "No tenant is called by this host.", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time.", body = ErrorBody),
        (status = 409, description = "There is a client with this id, or the tenant has as many clients as it may.", body = ErrorBody),
        (status = 413, description = "The body is too large.", body = ErrorBody),
        (status = 429, description = "Too many requests.", body = ErrorBody),
        (status = 503, description = "The store can't be written to.", body = ErrorBody),
        (status = 507, description = "As much is stored for the tenant as may be.", body = ErrorBody),
    )
)]
pub(crate) async fn create(State(app): State<App>, caller: Caller, request: Body) -> Result<(StatusCode, Json<Value>), ApiError> {
    let tenant = caller.may(&[Scope::CreateClients])?;
    app.storage().check(&tenant.settings.id)?;
    let given = Given::read(&body(request, SMALL_BODY).await?)?;
    let client = given.create(app.connector(), Timestamp::now())?;
    let answer = Value::Object(shown(&client, &tenant.settings.id));
    let at_most = app.quota().clients;
    match app.store().create_client(&tenant.settings.id, client, at_most).await? {
        ClientCreated::Created => Ok((StatusCode::CREATED, Json(answer))),
        ClientCreated::Exists => {
            Err(ApiError::conflict("client_exists", "there is a client with this `client_id`; change that one"))
        }
        ClientCreated::TooMany => {
            let limit = "`quota.clients` of the server's configuration";
            Err(ApiError::conflict(
                "too_many_clients",
                format!("a tenant has at most {at_most} clients here ({limit}); delete one"),
            ))
        }
    }
}

/// A client.
#[utoipa::path(
    get,
    path = "/api/v2/clients/{id}",
    operation_id = "get_client",
    tag = "clients",
    params(
        ("id" = String, Path, description = "The client's id.", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
        FieldsQuery,
    ),
    security(("token" = ["read:clients"])),
    responses(
        (status = 200, description = "The client.", body = super::shapes::Client),
        (status = 400, description = "The id is none.", body = ErrorBody),
        (status = 401, description = "No token, or none for this tenant.", body = ErrorBody),
        (status = 403, description = "The token's scope is too little.", body = ErrorBody),
        (status = 404, description = "There is no such client.", body = ErrorBody),
        (status = 429, description = "Too many requests.", body = ErrorBody),
        (status = 503, description = "The store can't be reached.", body = ErrorBody),
    )
)]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ClientId>,
    query: Result<Query<FieldsQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let tenant = caller.may(&[Scope::ReadClients])?;
    let Query(query) = query.map_err(|error| ApiError::invalid_query(error.body_text()))?;
    let fields = Fields::read(query.fields.as_deref(), query.include_fields);
    let client = find(&app, tenant, &id).await?;
    Ok(Json(fields.of(shown(&client, &tenant.settings.id))))
}

async fn find(app: &App, tenant: &Tenant, id: &ClientId) -> Result<Client, ApiError> {
    let found = app.store().client(&tenant.settings.id, id).await?;
    found.ok_or_else(|| ApiError::not_found("inexistent_client", "The client does not exist."))
}

/// Changes a client: members that are given, and no others. What is pending for a logout URL that
/// it doesn't name any more is dropped.
#[utoipa::path(
    patch,
    path = "/api/v2/clients/{id}",
    operation_id = "update_client",
    tag = "clients",
    params(("id" = String, Path, description = "The client's id.", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    request_body(content = super::shapes::ClientUpdate, content_type = "application/json"),
    security(("token" = ["update:clients"])),
    responses(
        (status = 200, description = "The client.", body = super::shapes::Client),
        (status = 400, description = "The id or the body breaks a rule.", body = ErrorBody),
        (status = 401, description = "No token, or none for this tenant.", body = ErrorBody),
        (status = 403, description = "The token's scope is too little.", body = ErrorBody),
        (status = 404, description = "There is no such client.", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time.", body = ErrorBody),
        (status = 409, description = "The client stands in the server's configuration, or others change it all the time.", body = ErrorBody),
        (status = 413, description = "The body is too large.", body = ErrorBody),
        (status = 429, description = "Too many requests.", body = ErrorBody),
        (status = 503, description = "The store can't be written to.", body = ErrorBody),
        (status = 507, description = "As much is stored for the tenant as may be.", body = ErrorBody),
    )
)]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ClientId>,
    request: Body,
) -> Result<Json<Value>, ApiError> {
    let tenant = caller.may(&[Scope::UpdateClients])?;
    app.storage().check(&tenant.settings.id)?;
    let given = Given::read(&body(request, SMALL_BODY).await?)?;
    for _ in 0..TRIES {
        let client = find(&app, tenant, &id).await?;
        if client.source == ClientSource::Configuration {
            return Err(declared());
        }
        let changed = given.change(client, app.connector(), Timestamp::now())?;
        let answer = Value::Object(shown(&changed, &tenant.settings.id));
        if app.store().replace_client(&tenant.settings.id, changed).await? {
            return Ok(Json(answer));
        }
    }
    Err(ApiError::conflict("client_contended", "others change this client at the same time; send it again"))
}

/// Deletes a client, and drops what it was to be told. One that isn't there is deleted, too.
#[utoipa::path(
    delete,
    path = "/api/v2/clients/{id}",
    operation_id = "delete_client",
    tag = "clients",
    params(("id" = String, Path, description = "The client's id.", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    security(("token" = ["delete:clients"])),
    responses(
        (status = 204, description = "The client is gone."),
        (status = 400, description = "The id is none.", body = ErrorBody),
        (status = 401, description = "No token, or none for this tenant.", body = ErrorBody),
        (status = 403, description = "The token's scope is too little.", body = ErrorBody),
        (status = 404, description = "No tenant is called by this host.", body = ErrorBody),
        (status = 409, description = "The client stands in the server's configuration.", body = ErrorBody),
        (status = 429, description = "Too many requests.", body = ErrorBody),
        (status = 503, description = "The store can't be written to.", body = ErrorBody),
    )
)]
pub(crate) async fn delete(State(app): State<App>, caller: Caller, PathId(id): PathId<ClientId>) -> Result<StatusCode, ApiError> {
    let tenant = caller.may(&[Scope::DeleteClients])?;
    match app.store().delete_client(&tenant.settings.id, &id).await? {
        ClientDeleted::Deleted | ClientDeleted::Absent => Ok(StatusCode::NO_CONTENT),
        ClientDeleted::Declared => Err(declared()),
    }
}

fn declared() -> ApiError {
    ApiError::conflict("declared_client", "this client stands in the server's configuration; change it there, and send SIGHUP")
}
