//! `/api/v2/logs`: the tenant's log.

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use vestibule_sessions::{LogEntry, LogFound, LogOrder, LogPosition, LogSearch};

use super::log_query;
use super::pages::{Fields, after, before, how_many};
use crate::app::App;
use crate::config::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::request::{Caller, InPath, PathId};

/// Which entries.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// The id of an entry: those after it are answered, the oldest first.
    #[param(pattern = r"^(log_0[0-8][0-9]{18})?$")]
    from: Option<String>,
    /// How many after it, 50 by default, 100 at most.
    #[param(minimum = 1, maximum = 100)]
    take: Option<usize>,
    /// Without `from` and `take`: which page, the first one being 0, the newest entries first.
    page: Option<usize>,
    /// Entries on such a page, 50 by default, 100 at most.
    #[param(minimum = 1, maximum = 100)]
    per_page: Option<usize>,
    /// The entries of a page in an object, with where it begins, instead of an array.
    include_totals: Option<bool>,
    /// Without `from` and `take`: conditions that the entries of a page fulfil, joined by `AND`:
    /// `type:f`, `date:[2026-11-24 TO *]`, `log_id:[log_00000000000000000042 TO *]`, and
    /// `FIELD:VALUE` with `client_id`, `client_name`, `connection`, `ip`, `organization_id`,
    /// `session_id` or `user_id`. A search that no index answers reads 10,000 entries at most;
    /// where these don't fill the page, it is refused.
    #[param(max_length = 2048)]
    q: Option<String>,
    /// Without `from` and `take`: the order of a page's entries.
    #[param(inline, value_type = Option<super::shapes::LogSort>)]
    sort: Option<String>,
    /// Names of members, with commas between them: these alone are shown.
    fields: Option<String>,
    /// With `false`: all but these are shown.
    include_fields: Option<bool>,
}

impl InPath for LogPosition {
    fn read(text: &str) -> Result<Self, ApiError> {
        text.parse().map_err(|error: vestibule_sessions::LogPositionError| ApiError::invalid_path(error.to_string()))
    }
}

/// The tenant's log: with `from` or `take` by checkpoints, which miss nothing; without them by
/// pages.
#[utoipa::path(
    get,
    path = "/api/v2/logs",
    operation_id = "get_logs",
    tag = "logs",
    params(LogQuery),
    security(("token" = ["read:logs"])),
    responses(
        (status = 200, description = "Entries.", body = super::shapes::LogEntries),
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
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let caller_tenant = caller.may(&[Scope::ReadLogs])?;
    let (tenant, lists) = (&caller_tenant.settings.id, &caller_tenant.lists);
    let Query(query) = query.map_err(|error| ApiError::invalid_query(error.body_text()))?;
    let (by_checkpoint, by_page) = (how_many("take", query.take)?, how_many("per_page", query.per_page)?);
    let fields = Fields::read(query.fields.as_deref(), query.include_fields);
    let show = |entries: Vec<LogEntry>| -> Vec<Value> { entries.into_iter().map(|entry| fields.of(members(entry))).collect() };
    let order = match query.sort.as_deref() {
        None | Some("") => None,
        Some("date:-1") => Some(LogOrder::NewestFirst),
        Some("date:1") => Some(LogOrder::OldestFirst),
        Some(_) => return Err(ApiError::invalid_query("`sort` is `date:-1` or `date:1`")),
    };
    let text = query.q.as_deref().map(str::trim).filter(|text| !text.is_empty());
    if query.from.is_some() || query.take.is_some() {
        let given = [("q", text.is_some()), ("sort", order.is_some()), ("page", query.page.is_some_and(|page| page > 0))];
        if let Some((name, _)) = given.iter().find(|(_, is_given)| *is_given) {
            let why = "the entries after a checkpoint come all, and in the order of their ids";
            return Err(ApiError::invalid_query(format!("`{name}` doesn't go with `from` and `take`: {why}")));
        }
        let from = after(query.from.as_deref()).map(str::parse::<LogPosition>).transpose();
        let from = from.map_err(|error| ApiError::invalid_query(format!("`from`: {error}")))?;
        return Ok(Json(show(lists.read(app.store().log_after(tenant, from.unwrap_or_default(), by_checkpoint)).await?).into()));
    }
    let skip = before(query.page, by_page)?;
    let entries = if text.is_none() && order.is_none() {
        lists.read(app.store().latest_log(tenant, skip, by_page)).await?
    } else {
        let filter = log_query::read(text.unwrap_or_default());
        let filter = filter.map_err(|error| ApiError::invalid_query(format!("`q`: {error}")))?;
        match filter {
            Some(filter) => {
                let search = LogSearch { filter, order: order.unwrap_or_default(), skip, take: by_page };
                found(lists.read(app.store().search_log(tenant, search)).await?)?
            }
            None => Vec::new(),
        }
    };
    let entries = show(entries);
    if query.include_totals == Some(true) {
        // No total: to count a tenant's log takes longer than to read a page of it.
        return Ok(Json(json!({ "start": skip, "limit": by_page, "length": entries.len(), "logs": entries })));
    }
    Ok(Json(entries.into()))
}

/// The page of a search, or an error where there may be entries that the search did not reach.
fn found(found: LogFound) -> Result<Vec<LogEntry>, ApiError> {
    if found.is_cut {
        return Err(ApiError::bad_request(
            "search_too_wide",
            "this search has read 10,000 entries, and there may be more that match; add a range of dates, \
             such as `date:[2026-11-24 TO 2026-11-25]`",
        ));
    }
    Ok(found.entries)
}

/// One entry of the tenant's log.
#[utoipa::path(
    get,
    path = "/api/v2/logs/{id}",
    operation_id = "get_log",
    tag = "logs",
    params(("id" = String, Path, description = "The entry's id.", pattern = r"^log_0[0-8][0-9]{18}$")),
    security(("token" = ["read:logs"])),
    responses(
        (status = 200, description = "The entry.", body = super::shapes::LogEntry),
        (status = 400, description = "The id is none.", body = ErrorBody),
        (status = 401, description = "No token, or none for this tenant.", body = ErrorBody),
        (status = 403, description = "The token's scope is too little.", body = ErrorBody),
        (status = 404, description = "There is no such entry.", body = ErrorBody),
        (status = 429, description = "Too many requests.", body = ErrorBody),
        (status = 503, description = "The store can't be reached.", body = ErrorBody),
    )
)]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    PathId(position): PathId<LogPosition>,
) -> Result<Json<Value>, ApiError> {
    let tenant = &caller.may(&[Scope::ReadLogs])?.settings.id;
    let entry = app.store().log_entry(tenant, position).await?;
    entry.map(|entry| Json(shown(entry))).ok_or_else(|| ApiError::not_found("inexistent_log", "The log entry does not exist."))
}

/// An entry as Auth0's API shows it.
pub(crate) fn shown(entry: LogEntry) -> Value {
    Value::Object(members(entry))
}

fn members(entry: LogEntry) -> Map<String, Value> {
    let id = entry.position.to_string();
    let mut json = Map::new();
    json.insert("_id".to_owned(), id.clone().into());
    json.insert("log_id".to_owned(), id.into());
    json.insert("date".to_owned(), entry.date.to_string().into());
    json.insert("type".to_owned(), entry.kind.as_str().into());
    json.extend(entry.body);
    json
}
