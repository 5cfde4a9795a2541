//! A component that comes, and one that is asked for. Its bytes go to a file whose writer no login
//! waits for, and count when they are on the disk there.
//!
//! The main file has a row for them before that (`arriving`), makes it `kept` in the transaction
//! that makes them a draft, and `gone` in the one that takes their last name. So a crash leaves no
//! bytes of which the main file knows nothing, and no draft without bytes.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};
use vestibule_model::{ComponentDigest, TenantId, Timestamp};

use super::actions::there;
use super::component_file;
use super::components::forget_unnamed;
use super::rows::{Found, execute, kept, query, read, update};
use crate::columns::millis;
use crate::error::StoreError;
use crate::registry::{DraftPut, Keeping};
use crate::sqlite::errors::RETRY_AFTER;
use crate::sqlite::{Errors, SqliteStore};
use crate::tokens::{self, ActionUid};

/// Makes bytes an Action's draft.
pub(super) async fn put_draft(
    store: &SqliteStore,
    (tenant, id): (&TenantId, &ActionUid),
    digest: &ComponentDigest,
    component: Bytes,
    keeping: Keeping,
    now: Timestamp,
) -> Result<DraftPut, StoreError> {
    let size = component.len();
    let upload = Upload { tenant: tenant.clone(), action: id.to_string(), digest: *digest, size, keeping, now };
    if let Some(kept) = kept_id(store, tenant, digest).await? {
        let name = kept.clone();
        if store.components.list(move |connection, errors| component_file::is_there(connection, errors, &name)).await? {
            let upload = upload.clone();
            if let Some(put) = store.write(move |connection, errors| upload.name(connection, errors, &kept)).await? {
                return Ok(put);
            }
        }
    }
    let name = tokens::upload()?;
    let (begins, of) = (upload.clone(), name.clone());
    if let Some(refused) = store.write(move |connection, errors| begins.begin(connection, errors, &of)).await? {
        return Ok(refused);
    }
    let of = name.clone();
    let written =
        store.components.write(move |connection, errors| component_file::insert(connection, errors, &of, &component)).await;
    let of = name.clone();
    let put = match written {
        Ok(()) => store.write(move |connection, errors| upload.end(connection, errors, &of)).await,
        Err(error) => Err(error),
    };
    if put.is_err() {
        // Where that fails, too, the sweep finds them when their time is over.
        let gives_up = move |connection: &Connection, errors: Errors<'_>| give_up(connection, &name).map_err(errors.sql());
        let _ = store.write(gives_up).await;
    }
    put
}

/// A component's bytes.
pub(super) async fn component(
    store: &SqliteStore,
    tenant: &TenantId,
    digest: &ComponentDigest,
) -> Result<Option<Bytes>, StoreError> {
    let mut missing = None;
    loop {
        let Some(id) = kept_id(store, tenant, digest).await? else { return Ok(None) };
        if missing.as_ref() == Some(&id) {
            return Ok(None);
        }
        let name = id.clone();
        let found = store.components.list(move |connection, errors| component_file::read(connection, errors, &name)).await?;
        if found.is_some() {
            return Ok(found);
        }
        // They may have gone, and have come by another upload, since the main file was asked.
        missing = Some(id);
    }
}

/// What the bytes are called that count.
async fn kept_id(store: &SqliteStore, tenant: &TenantId, digest: &ComponentDigest) -> Result<Option<String>, StoreError> {
    let (tenant, digest) = (tenant.clone(), digest.to_string());
    store.look_up(move |connection, errors| find_kept(connection, &tenant, &digest).map_err(errors.sql())).await
}

fn find_kept(connection: &Connection, tenant: &TenantId, digest: &str) -> rusqlite::Result<Option<String>> {
    const KEPT: &str = "SELECT id FROM components WHERE tenant = ?1 AND digest = ?2 AND state = 'kept'";
    connection.prepare_cached(KEPT)?.query_row((tenant.as_str(), digest), |row| row.get(0)).optional()
}

/// Bytes that have not become a draft are for the sweep.
fn give_up(connection: &Connection, id: &str) -> rusqlite::Result<()> {
    execute(connection, "UPDATE components SET state = 'gone' WHERE id = ?1 AND state = 'arriving'", [id]).map(drop)
}

/// Bytes that are to be an Action's draft.
#[derive(Clone)]
struct Upload {
    tenant: TenantId,
    action: String,
    digest: ComponentDigest,
    size: usize,
    keeping: Keeping,
    now: Timestamp,
}

impl Upload {
    fn digest(&self) -> String {
        self.digest.to_string()
    }

    /// Bytes that are kept already, under this name, become the draft. None where they are not kept
    /// any more.
    fn name(&self, connection: &Connection, errors: Errors<'_>, id: &str) -> Result<Option<DraftPut>, StoreError> {
        let Some(found) = self.action(connection, errors)? else { return Ok(Some(DraftPut::Absent)) };
        let is_kept = find_kept(connection, &self.tenant, &self.digest()).map_err(errors.sql())?.is_some_and(|kept| kept == id);
        if is_kept { self.make_draft(connection, errors, found).map(Some) } else { Ok(None) }
    }

    /// Announces bytes under this name, before they are written; or says why they can't be kept.
    /// The tenant's other bytes that are on their way count here: what a broken-off upload has left
    /// counts until it is swept.
    fn begin(&self, connection: &Connection, errors: Errors<'_>, id: &str) -> Result<Option<DraftPut>, StoreError> {
        const ANNOUNCE: &str =
            "INSERT INTO components (tenant, digest, id, size, state, since) VALUES (?1, ?2, ?3, ?4, 'arriving', ?5)";
        const ARRIVING: &str = "SELECT coalesce(sum(size), 0) FROM components WHERE tenant = ?1 AND state = 'arriving'";
        let Some(found) = self.action(connection, errors)? else { return Ok(Some(DraftPut::Absent)) };
        let arriving = sum(connection, ARRIVING, [self.tenant.as_str()]).map_err(errors.sql())?;
        if !self.has_room(connection, &found, arriving).map_err(errors.sql())? {
            return Ok(Some(DraftPut::TooManyBytes));
        }
        let size = i64::try_from(self.size).unwrap_or(i64::MAX);
        let values = params![self.tenant.as_str(), self.digest(), id, size, millis(self.now)];
        execute(connection, ANNOUNCE, values).map_err(errors.sql())?;
        Ok(None)
    }

    /// Bytes that are on the disk by now, under this name, become the draft.
    fn end(&self, connection: &Connection, errors: Errors<'_>, id: &str) -> Result<DraftPut, StoreError> {
        const ARRIVES: &str = "SELECT 1 FROM components WHERE id = ?1 AND state = 'arriving'";
        const KEEP: &str = "UPDATE components SET state = 'kept' WHERE id = ?1";
        const REPLACE: &str = "UPDATE components SET state = 'gone' WHERE tenant = ?1 AND digest = ?2 AND state = 'kept'";
        let arrives = connection.prepare_cached(ARRIVES).and_then(|mut select| select.exists([id])).map_err(errors.sql())?;
        if !arrives {
            // It has taken so long that the sweep has removed them.
            return Err(StoreError::Busy { retry_after: RETRY_AFTER });
        }
        let refused = match self.action(connection, errors)? {
            None => DraftPut::Absent,
            Some(found) if self.has_room(connection, &found, 0).map_err(errors.sql())? => {
                // Equal ones came meanwhile, or are missing in their file.
                execute(connection, REPLACE, (self.tenant.as_str(), self.digest())).map_err(errors.sql())?;
                execute(connection, KEEP, [id]).map_err(errors.sql())?;
                return self.make_draft(connection, errors, found);
            }
            Some(_) => DraftPut::TooManyBytes,
        };
        give_up(connection, id).map_err(errors.sql())?;
        Ok(refused)
    }

    fn action(&self, connection: &Connection, errors: Errors<'_>) -> Result<Option<Found>, StoreError> {
        kept(connection, &self.tenant, &self.action).map_err(errors.sql())
    }

    /// Whether the tenant has room for them, beside its components and these bytes. The draft that
    /// they replace doesn't count where nothing else names it, and equal bytes count once.
    fn has_room(&self, connection: &Connection, (row, _): &Found, beside: u64) -> rusqlite::Result<bool> {
        const LEFT: &str = "SELECT coalesce(sum(size), 0) FROM components WHERE tenant = ?1 AND state = 'kept' AND (digest IS NOT ?2 \
             OR EXISTS (SELECT 1 FROM versions WHERE tenant = ?1 AND digest = ?2) \
             OR EXISTS (SELECT 1 FROM actions WHERE tenant = ?1 AND draft_digest = ?2 AND id <> ?3))";
        if find_kept(connection, &self.tenant, &self.digest())?.is_some() {
            return Ok(true);
        }
        let left = sum(connection, LEFT, (self.tenant.as_str(), row.draft_digest.as_deref(), &self.action))?;
        Ok(left.saturating_add(beside).saturating_add(self.size as u64) <= self.keeping.bytes)
    }

    fn make_draft(&self, connection: &Connection, errors: Errors<'_>, (mut row, _): Found) -> Result<DraftPut, StoreError> {
        let before = row.draft_digest.clone();
        row.put_draft(&self.digest, self.size, self.now);
        update(connection, &self.tenant, &row).map_err(errors.sql())?;
        if let Some(before) = before.filter(|before| Some(before) != row.draft_digest.as_ref()) {
            forget_unnamed(connection, &self.tenant, &before).map_err(errors.sql())?;
        }
        Ok(DraftPut::Put(there(read(connection, errors, &self.tenant, &self.action)?)?))
    }
}

fn sum(connection: &Connection, statement: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<u64> {
    let sum = query(connection, statement, parameters, |row| row.get::<_, i64>(0))?;
    Ok(sum.first().map_or(0, |sum| sum.unsigned_abs()))
}
