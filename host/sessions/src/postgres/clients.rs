//! Clients, and what is dropped when one hears of ends no longer.

use std::collections::BTreeMap;

use tokio::join;
use tokio::time::Instant;
use tokio_postgres::Row;
use vestibule_model::{TenantId, Timestamp};

use super::changes::change;
use super::errors::Trouble;
use super::lease::{Connections, Lease};
use super::login::bytes;
use super::parameters::Parameter;
use super::registry::turn;
use super::rows::text;
use crate::client::{Client, ClientCreated, ClientDeleted, ClientPage};
use crate::columns::{self, ClientRow, client_columns};
use crate::ids::ClientId;
use crate::logout::{self, Lost};

const CLIENT: &str = concat!("SELECT ", client_columns!(), " FROM clients WHERE tenant = $1 AND id = $2");
const CLIENT_FOR_UPDATE: &str = concat!("SELECT ", client_columns!(), " FROM clients WHERE tenant = $1 AND id = $2 FOR UPDATE");
const CLIENTS: &str = concat!("SELECT ", client_columns!(), " FROM clients WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3");
const PAGE: &str = concat!("SELECT ", client_columns!(), " FROM clients WHERE tenant = $1 ORDER BY id LIMIT $2 OFFSET $3");
const COUNT: &str = "SELECT count(*) FROM clients WHERE tenant = $1";
const COUNT_AND_NAMED: &str = "SELECT count(*), count(*) FILTER (WHERE id = $2) FROM clients WHERE tenant = $1";

// In one order, so that two who declare at once wait for each other.
const DECLARED: &str = concat!(
    "SELECT ",
    client_columns!(),
    " FROM clients WHERE tenant = $1 AND (source = 'configuration' OR id = ANY($2)) ORDER BY id FOR UPDATE"
);

const INSERT: &str = concat!(
    "INSERT INTO clients (tenant, ",
    client_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING"
);
const UPDATE: &str = "UPDATE clients SET name = $3, body = $4, logout = $5, source = $6, updated_at = $7, revision = $8 \
     WHERE tenant = $1 AND id = $2";
const DELETE: &str = "DELETE FROM clients WHERE tenant = $1 AND id = $2";

/// What an end writes at this very moment can't be seen; it is dropped when it is claimed.
const DROP: &str = "WITH lost AS MATERIALIZED (SELECT tenant, id FROM deliveries \
         WHERE state = 'pending' AND tenant = $1 AND receiver = $2 AND client_id = $3 AND url = $4 \
         AND (SELECT logout FROM clients WHERE clients.tenant = $1 AND clients.id = $3) IS NOT DISTINCT FROM $5 \
         ORDER BY due_at LIMIT $6 FOR UPDATE) \
     DELETE FROM deliveries USING lost WHERE deliveries.tenant = lost.tenant AND deliveries.id = lost.id";

pub(super) async fn client(lease: &Lease, tenant: &TenantId, id: &ClientId) -> Result<Option<Client>, Trouble> {
    let select = lease.prepare(CLIENT).await?;
    match lease.client()?.query_opt(&select, &[&bytes(tenant), &id.as_str().as_bytes()]).await? {
        Some(row) => Ok(Some(client_row(&row)?.read()?)),
        None => Ok(None),
    }
}

pub(super) async fn clients(
    lease: &Lease,
    tenant: &TenantId,
    after: Option<&ClientId>,
    take: usize,
) -> Result<ClientPage, Trouble> {
    let select = lease.prepare(CLIENTS).await?;
    // No id is empty, so all come after this. One more than asked for tells whether there is
    // another page.
    let (after, limit) = (after.map_or("", ClientId::as_str).as_bytes(), columns::rows(take.saturating_add(1)));
    let found = lease.client()?.query(&select, &[&bytes(tenant), &after, &limit]).await?;
    let clients = found.iter().map(|row| Ok(client_row(row)?.read()?)).collect::<Result<_, Trouble>>()?;
    Ok(ClientPage::of(clients, take))
}

pub(super) async fn clients_from(lease: &Lease, tenant: &TenantId, skip: usize, take: usize) -> Result<Vec<Client>, Trouble> {
    let select = lease.prepare(PAGE).await?;
    let found = lease.client()?.query(&select, &[&bytes(tenant), &columns::rows(take), &columns::rows(skip)]).await?;
    found.iter().map(|row| Ok(client_row(row)?.read()?)).collect()
}

pub(super) async fn count(lease: &Lease, tenant: &TenantId) -> Result<u64, Trouble> {
    let select = lease.prepare(COUNT).await?;
    let count: i64 = lease.client()?.query_one(&select, &[&bytes(tenant)]).await?.try_get(0)?;
    Ok(count.unsigned_abs())
}

/// One attempt. It takes the tenant's turn, so that of two that are created at once the second is
/// counted after the first.
pub(super) async fn create(mut lease: Lease, tenant: &TenantId, client: &Client, at_most: u64) -> Result<ClientCreated, Trouble> {
    let parameters: [Parameter<'_>; 2] = [&bytes(tenant), &client.id.as_str().as_bytes()];
    let counted = turn::begin_with(&mut lease, tenant, COUNT_AND_NAMED, &parameters).await?;
    let counts = |row: &Row| Ok::<(i64, i64), Trouble>((row.try_get(0)?, row.try_get(1)?));
    let (count, named) = counted.first().map(counts).transpose()?.unwrap_or_default();
    let refused = match (named, count.unsigned_abs() >= at_most) {
        (0, false) => None,
        (0, true) => Some(ClientCreated::TooMany),
        (..) => Some(ClientCreated::Exists),
    };
    if let Some(refused) = refused {
        lease.roll_back().await?;
        return Ok(refused);
    }
    let is_new = insert(&lease, tenant, &ClientRow::new(client)).await?;
    lease.commit().await?;
    Ok(if is_new { ClientCreated::Created } else { ClientCreated::Exists })
}

/// One attempt. Whether it was replaced, and where it hears no longer.
pub(super) async fn replace(mut lease: Lease, tenant: &TenantId, client: &Client) -> Result<(bool, Vec<Lost>), Trouble> {
    let kept = kept(&mut lease, tenant, &client.id).await?;
    let Some(kept) = kept.filter(|kept| u64::try_from(kept.revision) == Ok(client.revision)) else {
        lease.roll_back().await?;
        return Ok((false, Vec::new()));
    };
    let lost = put(&lease, tenant, &kept, client).await?;
    lease.commit().await?;
    Ok((true, lost))
}

/// One attempt. What has become of it, and where it heard.
pub(super) async fn delete(mut lease: Lease, tenant: &TenantId, id: &ClientId) -> Result<(ClientDeleted, Vec<Lost>), Trouble> {
    let deleted = match kept(&mut lease, tenant, id).await? {
        Some(kept) if !kept.is_declared() => {
            let lost = remove(&lease, tenant, &kept).await?;
            lease.commit().await?;
            return Ok((ClientDeleted::Deleted, lost));
        }
        Some(_) => ClientDeleted::Declared,
        None => ClientDeleted::Absent,
    };
    lease.roll_back().await?;
    Ok((deleted, Vec::new()))
}

/// One attempt. Where clients hear no longer.
pub(super) async fn configure(
    mut lease: Lease,
    tenant: &TenantId,
    clients: &[Client],
    now: Timestamp,
) -> Result<Vec<Lost>, Trouble> {
    let mut lost = Vec::new();
    let declared: BTreeMap<&str, &Client> = clients.iter().map(|client| (client.id.as_str(), client)).collect();
    let ids: Vec<&[u8]> = declared.keys().map(|id| id.as_bytes()).collect();
    let select = lease.prepare(DECLARED).await?;
    lease.begin("").await?;
    let mut kept = BTreeMap::new();
    for row in lease.client()?.query(&select, &[&bytes(tenant), &ids]).await? {
        let row = client_row(&row)?;
        kept.insert(row.id.clone(), row);
    }
    for row in kept.values().filter(|row| !declared.contains_key(row.id.as_str())) {
        lost.extend(remove(&lease, tenant, row).await?);
    }
    for (id, client) in declared {
        let client = client.clone().declared(now);
        match kept.get(id) {
            Some(kept) if kept.is_as_declared(&client) => {}
            Some(kept) => lost.extend(put(&lease, tenant, kept, &client).await?),
            None if insert(&lease, tenant, &ClientRow::new(&client)).await? => {}
            None => return Err(Trouble::Race),
        }
    }
    lease.commit().await?;
    Ok(lost)
}

/// Begins a transaction, and locks the client.
async fn kept(lease: &mut Lease, tenant: &TenantId, id: &ClientId) -> Result<Option<ClientRow>, Trouble> {
    let select = lease.prepare(CLIENT_FOR_UPDATE).await?;
    lease.begins();
    let client = lease.client()?;
    let parameters: [Parameter<'_>; 2] = [&bytes(tenant), &id.as_str().as_bytes()];
    let (begun, row) = join!(biased; client.begin(""), client.query_opt(&select, &parameters));
    begun?;
    row?.map(|row| client_row(&row)).transpose()
}

fn client_row(row: &Row) -> Result<ClientRow, Trouble> {
    Ok(ClientRow {
        id: text(row.try_get(0)?)?,
        name: text(row.try_get(1)?)?,
        body: row.try_get(2)?,
        logout: row.try_get(3)?,
        source: row.try_get(4)?,
        created_at: row.try_get(5)?,
        updated_at: row.try_get(6)?,
        revision: row.try_get(7)?,
    })
}

/// Whether it was not there.
async fn insert(lease: &Lease, tenant: &TenantId, row: &ClientRow) -> Result<bool, Trouble> {
    let insert = lease.prepare(INSERT).await?;
    let parameters: [Parameter<'_>; 9] = [
        &bytes(tenant),
        &row.id.as_bytes(),
        &row.name.as_bytes(),
        &row.body,
        &row.logout,
        &row.source,
        &row.created_at,
        &row.updated_at,
        &row.revision,
    ];
    Ok(lease.client()?.execute(&insert, &parameters).await? > 0)
}

/// Puts a client in place of what is kept. Where it hears no longer.
async fn put(lease: &Lease, tenant: &TenantId, kept: &ClientRow, client: &Client) -> Result<Vec<Lost>, Trouble> {
    let row = kept.replaced_by(client);
    let update = lease.prepare(UPDATE).await?;
    let parameters: [Parameter<'_>; 8] = [
        &bytes(tenant),
        &row.id.as_bytes(),
        &row.name.as_bytes(),
        &row.body,
        &row.logout,
        &row.source,
        &row.updated_at,
        &row.revision,
    ];
    lease.client()?.execute(&update, &parameters).await?;
    Ok(logout::lost(kept, Some(&row)))
}

/// Where it heard.
async fn remove(lease: &Lease, tenant: &TenantId, kept: &ClientRow) -> Result<Vec<Lost>, Trouble> {
    let delete = lease.prepare(DELETE).await?;
    lease.client()?.execute(&delete, &[&bytes(tenant), &kept.id.as_bytes()]).await?;
    Ok(logout::lost(kept, None))
}

/// Drops what is pending for URLs at which clients hear no longer, in transactions of their own: a
/// long backlog takes longer than a statement may. That the clients have changed is on disk: what
/// an error, or the call's deadline, leaves here is dropped when it is claimed.
pub(super) async fn unsubscribe(connections: &Connections, tenant: &TenantId, lost: Vec<Lost>, deadline: Instant) {
    let most = u64::try_from(Lost::AT_ONE_TIME).unwrap_or(u64::MAX);
    for lost in &lost {
        let mut dropped = most;
        while dropped == most && Lost::is_time_left(deadline) {
            let some = |lease| drop_some(lease, tenant, lost);
            dropped = connections.attempt_until(deadline, true, some).await.unwrap_or_default();
        }
    }
}

/// One attempt. How many were dropped.
async fn drop_some(lease: Lease, tenant: &TenantId, lost: &Lost) -> Result<u64, Trouble> {
    let (receiver, limit) = (lost.url.receiver(), columns::rows(Lost::AT_ONE_TIME));
    let parameters: [Parameter<'_>; 6] = [
        &bytes(tenant),
        &receiver.as_str().as_bytes(),
        &lost.client.as_bytes(),
        &lost.url.as_str().as_bytes(),
        &lost.settings,
        &limit,
    ];
    change(lease, DROP, parameters).await
}
