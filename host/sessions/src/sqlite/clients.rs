//! Clients, and what is dropped when one hears of ends no longer.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tokio::time::Instant;
use vestibule_model::{TenantId, Timestamp};

use super::{Errors, SqliteStore};
use crate::client::{Client, ClientCreated, ClientDeleted, ClientPage, ClientSource};
use crate::columns::{self, ClientRow, client_columns};
use crate::error::StoreError;
use crate::ids::ClientId;
use crate::logout::{self, Lost};

pub(super) fn client(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: &ClientId,
) -> Result<Option<Client>, StoreError> {
    kept(connection, tenant, id.as_str()).map_err(errors.sql())?.map(|row| row.read()).transpose()
}

pub(super) fn clients(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    after: Option<&ClientId>,
    take: usize,
) -> Result<ClientPage, StoreError> {
    const CLIENTS: &str =
        concat!("SELECT ", client_columns!(), " FROM clients WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
    // No id is empty, so all come after this. One more than asked for tells whether there is
    // another page.
    let (after, limit) = (after.map_or("", ClientId::as_str), columns::rows(take.saturating_add(1)));
    let found = connection
        .prepare_cached(CLIENTS)
        .and_then(|mut select| select.query_map((tenant.as_str(), after, limit), client_row)?.collect::<Result<Vec<_>, _>>())
        .map_err(errors.sql())?;
    let clients = found.iter().map(ClientRow::read).collect::<Result<_, _>>()?;
    Ok(ClientPage::of(clients, take))
}

pub(super) fn clients_from(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    skip: usize,
    take: usize,
) -> Result<Vec<Client>, StoreError> {
    const PAGE: &str = concat!("SELECT ", client_columns!(), " FROM clients WHERE tenant = ?1 ORDER BY id LIMIT ?2 OFFSET ?3");
    let page = (tenant.as_str(), columns::rows(take), columns::rows(skip));
    let found = connection
        .prepare_cached(PAGE)
        .and_then(|mut select| select.query_map(page, client_row)?.collect::<Result<Vec<_>, _>>())
        .map_err(errors.sql())?;
    found.iter().map(ClientRow::read).collect()
}

pub(super) fn count(connection: &Connection, errors: Errors<'_>, tenant: &TenantId) -> Result<u64, StoreError> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM clients WHERE tenant = ?1")
        .and_then(|mut select| select.query_row([tenant.as_str()], |row| row.get(0)))
        .map_err(errors.sql())?;
    Ok(count.unsigned_abs())
}

pub(super) fn create(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    client: &Client,
    at_most: u64,
) -> Result<ClientCreated, StoreError> {
    if kept(connection, tenant, client.id.as_str()).map_err(errors.sql())?.is_some() {
        return Ok(ClientCreated::Exists);
    }
    if count(connection, errors, tenant)? >= at_most {
        return Ok(ClientCreated::TooMany);
    }
    let is_new = insert(connection, tenant, &ClientRow::new(client)).map_err(errors.sql())?;
    Ok(if is_new { ClientCreated::Created } else { ClientCreated::Exists })
}

/// Whether it was replaced, and where it hears no longer.
pub(super) fn replace(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    client: &Client,
) -> Result<(bool, Vec<Lost>), StoreError> {
    let kept = kept(connection, tenant, client.id.as_str()).map_err(errors.sql())?;
    let Some(kept) = kept.filter(|kept| u64::try_from(kept.revision) == Ok(client.revision)) else {
        return Ok((false, Vec::new()));
    };
    Ok((true, put(connection, tenant, &kept, client).map_err(errors.sql())?))
}

/// What has become of it, and where it heard.
pub(super) fn delete(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: &ClientId,
) -> Result<(ClientDeleted, Vec<Lost>), StoreError> {
    Ok(match kept(connection, tenant, id.as_str()).map_err(errors.sql())? {
        None => (ClientDeleted::Absent, Vec::new()),
        Some(kept) if kept.is_declared() => (ClientDeleted::Declared, Vec::new()),
        Some(kept) => (ClientDeleted::Deleted, remove(connection, tenant, &kept).map_err(errors.sql())?),
    })
}

/// Where clients hear no longer.
pub(super) fn configure(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    clients: &[Client],
    now: Timestamp,
) -> Result<Vec<Lost>, StoreError> {
    let mut lost = Vec::new();
    let declared: BTreeMap<&ClientId, &Client> = clients.iter().map(|client| (&client.id, client)).collect();
    let ids: BTreeSet<&str> = declared.keys().map(|id| id.as_str()).collect();
    for kept in configured(connection, tenant).map_err(errors.sql())? {
        if !ids.contains(kept.id.as_str()) {
            lost.extend(remove(connection, tenant, &kept).map_err(errors.sql())?);
        }
    }
    for client in declared.into_values() {
        let client = client.clone().declared(now);
        match kept(connection, tenant, client.id.as_str()).map_err(errors.sql())? {
            Some(kept) if kept.is_as_declared(&client) => {}
            Some(kept) => lost.extend(put(connection, tenant, &kept, &client).map_err(errors.sql())?),
            None => {
                insert(connection, tenant, &ClientRow::new(&client)).map_err(errors.sql())?;
            }
        }
    }
    Ok(lost)
}

fn client_row(row: &Row<'_>) -> rusqlite::Result<ClientRow> {
    Ok(ClientRow {
        id: row.get(0)?,
        name: row.get(1)?,
        body: row.get(2)?,
        logout: row.get(3)?,
        source: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
        revision: row.get(7)?,
    })
}

fn kept(connection: &Connection, tenant: &TenantId, id: &str) -> rusqlite::Result<Option<ClientRow>> {
    const CLIENT: &str = concat!("SELECT ", client_columns!(), " FROM clients WHERE tenant = ?1 AND id = ?2");
    connection.prepare_cached(CLIENT)?.query_row((tenant.as_str(), id), client_row).optional()
}

fn configured(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<Vec<ClientRow>> {
    const CONFIGURED: &str = concat!("SELECT ", client_columns!(), " FROM clients WHERE tenant = ?1 AND source = ?2");
    let mut select = connection.prepare_cached(CONFIGURED)?;
    select.query_map((tenant.as_str(), ClientSource::Configuration.as_str()), client_row)?.collect()
}

/// Whether it was not there.
fn insert(connection: &Connection, tenant: &TenantId, row: &ClientRow) -> rusqlite::Result<bool> {
    const INSERT: &str = concat!(
        "INSERT INTO clients (tenant, ",
        client_columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING"
    );
    let inserted = connection.prepare_cached(INSERT)?.execute(params![
        tenant.as_str(),
        row.id,
        row.name,
        row.body,
        row.logout,
        row.source,
        row.created_at,
        row.updated_at,
        row.revision,
    ])?;
    Ok(inserted > 0)
}

/// Puts a client in place of what is kept. Where it hears no longer.
fn put(connection: &Connection, tenant: &TenantId, kept: &ClientRow, client: &Client) -> rusqlite::Result<Vec<Lost>> {
    const UPDATE: &str = "UPDATE clients SET name = ?3, body = ?4, logout = ?5, source = ?6, updated_at = ?7, revision = ?8 \
         WHERE tenant = ?1 AND id = ?2";
    let row = kept.replaced_by(client);
    connection.prepare_cached(UPDATE)?.execute(params![
        tenant.as_str(),
        row.id,
        row.name,
        row.body,
        row.logout,
        row.source,
        row.updated_at,
        row.revision,
    ])?;
    Ok(logout::lost(kept, Some(&row)))
}

/// Where it heard.
fn remove(connection: &Connection, tenant: &TenantId, kept: &ClientRow) -> rusqlite::Result<Vec<Lost>> {
    connection
        .prepare_cached("DELETE FROM clients WHERE tenant = ?1 AND id = ?2")?
        .execute((tenant.as_str(), kept.id.as_str()))?;
    Ok(logout::lost(kept, None))
}

/// Drops what is pending for URLs at which clients hear no longer, in transactions of their own, so
/// that no login waits for a long backlog. That the clients have changed is on disk: what an error,
/// or the call's deadline, leaves here is dropped when it is claimed.
pub(super) async fn unsubscribe(store: &SqliteStore, tenant: &TenantId, lost: Vec<Lost>, deadline: Instant) {
    for lost in lost {
        let mut dropped = Lost::AT_ONE_TIME;
        while dropped == Lost::AT_ONE_TIME && Lost::is_time_left(deadline) {
            let (tenant, lost) = (tenant.clone(), lost.clone());
            let some =
                move |connection: &Connection, errors: Errors<'_>| drop_some(connection, &tenant, &lost).map_err(errors.sql());
            dropped = store.write_until(deadline, some).await.unwrap_or_default();
        }
    }
}

/// How many were dropped.
fn drop_some(connection: &Connection, tenant: &TenantId, lost: &Lost) -> rusqlite::Result<usize> {
    const DROP: &str = "DELETE FROM deliveries WHERE number IN (SELECT number FROM deliveries INDEXED BY deliveries_due \
         WHERE state = 'pending' AND tenant = ?1 AND receiver = ?2 AND client_id = ?3 AND url = ?4 \
         AND (SELECT logout FROM clients WHERE clients.tenant = ?1 AND clients.id = ?3) IS ?5 ORDER BY due_at LIMIT ?6)";
    let (receiver, limit) = (lost.url.receiver(), columns::rows(Lost::AT_ONE_TIME));
    connection.prepare_cached(DROP)?.execute(params![
        tenant.as_str(),
        receiver.as_str(),
        lost.client,
        lost.url.as_str(),
        lost.settings,
        limit
    ])
}
