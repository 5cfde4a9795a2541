//! Secrets, as somebody else has sealed them.

use std::collections::BTreeMap;

use vestibule_model::TenantId;

use super::super::changes;
use super::super::errors::Trouble;
use super::super::lease::Lease;
use super::super::login::bytes;
use super::super::parameters::Parameter;
use super::super::rows::text;
use super::rows::secret_row;
use crate::columns::{self, millis, secret_columns, tenant_of};
use crate::registry::{SealedSecret, SecretChange, SecretName};
use crate::tokens::ActionUid;

const SECRETS: &str = concat!("SELECT ", secret_columns!(), " FROM secrets WHERE tenant = $1 AND action_id = $2 ORDER BY name");

/// One of two ranges of an index: almost always both are empty.
macro_rules! range {
    ($condition:literal) => {
        concat!("(SELECT ", secret_columns!(), ", tenant FROM secrets WHERE ", $condition, " LIMIT $2)")
    };
}
const OF_OTHER_KEYS: &str =
    concat!(range!("key_id < $1 ORDER BY key_id"), " UNION ALL ", range!("key_id > $1 ORDER BY key_id"), " LIMIT $2");

const PUT: &str = "INSERT INTO secrets (tenant, action_id, name, key_id, sealed, updated_at) SELECT $1, $2, one.* \
     FROM unnest($3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[]) AS one (name, key_id, sealed, updated_at) \
     ON CONFLICT (tenant, action_id, name) \
     DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed, updated_at = excluded.updated_at";
const KEEP: &str = "DELETE FROM secrets WHERE tenant = $1 AND action_id = $2 AND name <> ALL($3)";
const REMOVE: &str = "DELETE FROM secrets WHERE tenant = $1 AND action_id = $2 AND name = $3";
const RESEAL: &str = "UPDATE secrets SET key_id = $7, sealed = $8 \
     WHERE tenant = $1 AND action_id = $2 AND name = $3 AND key_id = $4 AND sealed = $5 AND updated_at = $6";

pub(super) async fn secrets(lease: &Lease, tenant: &TenantId, id: &ActionUid) -> Result<Vec<SealedSecret>, Trouble> {
    let select = lease.prepare(SECRETS).await?;
    let rows = lease.client()?.query(&select, &[&bytes(tenant), &id.to_string().as_bytes()]).await?;
    rows.iter().map(|row| Ok(secret_row(row, 0)?.read()?)).collect()
}

pub(super) async fn of_other_keys(
    lease: &Lease,
    not_by: &str,
    take: usize,
) -> Result<Vec<(TenantId, ActionUid, SealedSecret)>, Trouble> {
    let select = lease.prepare(OF_OTHER_KEYS).await?;
    let rows = lease.client()?.query(&select, &[&not_by.as_bytes(), &columns::rows(take)]).await?;
    rows.iter()
        .map(|row| {
            let secret = secret_row(row, 0)?;
            Ok((tenant_of(&text(row.try_get(5)?)?)?, secret.action()?, secret.read()?))
        })
        .collect()
}

/// Puts these in place of those with their names. Of two with one name the last counts.
pub(super) async fn put(lease: &Lease, tenant: &TenantId, id: &ActionUid, secrets: &[SealedSecret]) -> Result<(), Trouble> {
    if secrets.is_empty() {
        return Ok(());
    }
    let by_name: BTreeMap<&SecretName, &SealedSecret> = secrets.iter().map(|secret| (&secret.name, secret)).collect();
    let names: Vec<&[u8]> = by_name.keys().map(|name| name.as_str().as_bytes()).collect();
    let keys: Vec<&[u8]> = by_name.values().map(|secret| secret.key.as_bytes()).collect();
    let sealed: Vec<&[u8]> = by_name.values().map(|secret| secret.sealed.as_slice()).collect();
    let times: Vec<i64> = by_name.values().map(|secret| millis(secret.updated_at)).collect();
    let put = lease.prepare(PUT).await?;
    let id = id.to_string().into_bytes();
    lease.client()?.execute(&put, &[&bytes(tenant), &id, &names, &keys, &sealed, &times]).await?;
    Ok(())
}

pub(super) async fn change(lease: &Lease, tenant: &TenantId, id: &ActionUid, change: &SecretChange) -> Result<(), Trouble> {
    let key = id.to_string().into_bytes();
    match change {
        SecretChange::Replace { keep, set } => {
            let names = keep.iter().chain(set.iter().map(|secret| &secret.name));
            let names: Vec<&[u8]> = names.map(|name| name.as_str().as_bytes()).collect();
            let remove = lease.prepare(KEEP).await?;
            lease.client()?.execute(&remove, &[&bytes(tenant), &key, &names]).await?;
            put(lease, tenant, id, set).await
        }
        SecretChange::Set(secret) => put(lease, tenant, id, std::slice::from_ref(secret)).await,
        SecretChange::Remove(name) => {
            let remove = lease.prepare(REMOVE).await?;
            lease.client()?.execute(&remove, &[&bytes(tenant), &key, &name.as_str().as_bytes()]).await?;
            Ok(())
        }
    }
}

/// One attempt. It takes no turn: it is one row, which no other call locks before it has the
/// tenant's turn.
pub(super) async fn reseal(
    lease: Lease,
    tenant: &TenantId,
    id: &ActionUid,
    old: &SealedSecret,
    new: &SealedSecret,
) -> Result<bool, Trouble> {
    let id = id.to_string().into_bytes();
    let parameters: [Parameter<'_>; 8] = [
        &bytes(tenant),
        &id,
        &old.name.as_str().as_bytes(),
        &old.key.as_bytes(),
        &old.sealed,
        &millis(old.updated_at),
        &new.key.as_bytes(),
        &new.sealed,
    ];
    Ok(changes::change(lease, RESEAL, parameters).await? > 0)
}
