//! Reads and writes single rows.

use tokio_postgres::Row;

use super::super::errors::Trouble;
use super::super::rows::text;
use crate::columns::{ACTION_COLUMNS, ActionRow, BindingRow, ExecutionRow, SecretRow, VersionRow, secret_info};
use crate::registry::{SealedSecret, StoredAction};

/// How many columns a version has.
pub(super) const VERSION_COLUMNS: usize = 7;

/// How many columns a whole Action has.
pub(super) const WHOLE_COLUMNS: usize = ACTION_COLUMNS + VERSION_COLUMNS + 2;

/// The columns of a whole Action: its own, those of the version that it runs, and what can be told
/// of its secrets.
macro_rules! whole_columns {
    () => {
        concat!(
            $crate::columns::action_columns!(),
            ", ",
            $crate::columns::version_columns!(),
            ", ARRAY(SELECT name FROM secrets WHERE secrets.tenant = actions.tenant AND action_id = actions.id ORDER BY name), \
             ARRAY(SELECT updated_at FROM secrets WHERE secrets.tenant = actions.tenant AND action_id = actions.id ORDER BY name)"
        )
    };
}
pub(super) use whole_columns;

/// What stands beside `actions` in a query that selects whole ones.
macro_rules! deployed {
    () => {
        " LEFT JOIN versions ON versions.tenant = actions.tenant AND versions.action_id = actions.id AND versions.id = actions.deployed "
    };
}
pub(super) use deployed;

/// An Action's row from a query that selects its columns, from this one on.
pub(super) fn action_row(row: &Row, from: usize) -> Result<ActionRow, Trouble> {
    Ok(ActionRow {
        id: text(row.try_get(from)?)?,
        name: text(row.try_get(from + 1)?)?,
        trigger_id: row.try_get(from + 2)?,
        settings: row.try_get(from + 3)?,
        draft_digest: optional(row.try_get(from + 4)?)?,
        draft_size: row.try_get(from + 5)?,
        draft_status: row.try_get(from + 6)?,
        draft_errors: row.try_get(from + 7)?,
        draft_info: row.try_get(from + 8)?,
        draft_updated_at: row.try_get(from + 9)?,
        draft_built_at: row.try_get(from + 10)?,
        build_until: row.try_get(from + 11)?,
        deployed: optional(row.try_get(from + 12)?)?,
        last_version: row.try_get(from + 13)?,
        created_at: row.try_get(from + 14)?,
        updated_at: row.try_get(from + 15)?,
        revision: row.try_get(from + 16)?,
    })
}

/// A version's row, from this column on; none where the query has found none.
pub(super) fn version_row(row: &Row, from: usize) -> Result<Option<VersionRow>, Trouble> {
    let Some(id) = optional(row.try_get(from)?)? else {
        return Ok(None);
    };
    Ok(Some(VersionRow {
        id,
        number: row.try_get(from + 1)?,
        digest: text(row.try_get(from + 2)?)?,
        size: row.try_get(from + 3)?,
        info: row.try_get(from + 4)?,
        created_at: row.try_get(from + 5)?,
        built_at: row.try_get(from + 6)?,
    }))
}

/// A whole Action, from this column on; none where the query has found none.
pub(super) fn whole(row: &Row, from: usize) -> Result<Option<StoredAction>, Trouble> {
    if row.try_get::<_, Option<&[u8]>>(from)?.is_none() {
        return Ok(None);
    }
    let action = action_row(row, from)?;
    let from = from + ACTION_COLUMNS;
    let deployed = version_row(row, from)?;
    let names: Vec<&[u8]> = row.try_get(from + VERSION_COLUMNS)?;
    let times: Vec<i64> = row.try_get(from + VERSION_COLUMNS + 1)?;
    let secrets =
        names.into_iter().zip(times).map(|(name, at)| Ok(secret_info(&text(name)?, at)?)).collect::<Result<_, Trouble>>()?;
    Ok(Some(action.read(deployed.as_ref(), secrets)?))
}

/// A binding's row, from this column on.
pub(super) fn binding_row(row: &Row, from: usize) -> Result<BindingRow, Trouble> {
    Ok(BindingRow {
        id: text(row.try_get(from)?)?,
        trigger_id: row.try_get(from + 1)?,
        action_id: text(row.try_get(from + 2)?)?,
        display_name: text(row.try_get(from + 3)?)?,
        created_at: row.try_get(from + 4)?,
        updated_at: row.try_get(from + 5)?,
    })
}

/// A secret's row, from this column on.
pub(super) fn secret_row(row: &Row, from: usize) -> Result<SecretRow, Trouble> {
    Ok(SecretRow {
        action_id: text(row.try_get(from)?)?,
        name: text(row.try_get(from + 1)?)?,
        key_id: text(row.try_get(from + 2)?)?,
        sealed: row.try_get(from + 3)?,
        updated_at: row.try_get(from + 4)?,
    })
}

/// An Action's secrets, from four lists in one order.
pub(super) fn secrets(row: &Row, from: usize, action_id: &str) -> Result<Vec<SealedSecret>, Trouble> {
    let (names, keys): (Vec<&[u8]>, Vec<&[u8]>) = (row.try_get(from)?, row.try_get(from + 1)?);
    let (sealed, times): (Vec<Vec<u8>>, Vec<i64>) = (row.try_get(from + 2)?, row.try_get(from + 3)?);
    names
        .into_iter()
        .zip(keys)
        .zip(sealed.into_iter().zip(times))
        .map(|((name, key_id), (sealed, updated_at))| {
            let row = SecretRow { action_id: action_id.to_owned(), name: text(name)?, key_id: text(key_id)?, sealed, updated_at };
            Ok(row.read()?)
        })
        .collect()
}

/// An execution's row.
pub(super) fn execution_row(row: &Row) -> Result<ExecutionRow, Trouble> {
    Ok(ExecutionRow {
        position: row.try_get(0)?,
        tenant: text(row.try_get(1)?)?,
        id: text(row.try_get(2)?)?,
        trigger_id: row.try_get(3)?,
        status: row.try_get(4)?,
        started_at: row.try_get(5)?,
        ended_at: row.try_get(6)?,
        actions: row.try_get(7)?,
        body: row.try_get(8)?,
    })
}

/// An id that may not be there, as text.
pub(super) fn optional(bytes: Option<&[u8]>) -> Result<Option<String>, Trouble> {
    Ok(bytes.map(text).transpose()?)
}

/// An id that may not be there, as the database keeps it.
pub(super) fn optional_bytes(id: Option<&String>) -> Option<&[u8]> {
    id.map(String::as_bytes)
}
