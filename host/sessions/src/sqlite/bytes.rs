//! How many bytes are stored for each tenant: triggers count them, in each of the files; see the
//! migrations `tenant_bytes`.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _};

use super::database::Database;
use super::{Errors, SqliteStore};
use crate::columns;
use crate::error::StoreError;
use crate::store::StoredBytes;

/// Tenants for which this much is stored in one of the files, those with the most first.
fn beyond(connection: &Connection, errors: Errors<'_>, at_least: i64, at_most: usize) -> Result<Vec<String>, StoreError> {
    const BEYOND: &str = "SELECT tenant FROM tenant_bytes WHERE bytes >= ?1 ORDER BY bytes DESC LIMIT ?2";
    let mut statement = connection.prepare_cached(BEYOND).map_err(errors.sql())?;
    let found = statement.query_map((at_least, columns::rows(at_most)), |row| row.get(0)).map_err(errors.sql())?;
    found.collect::<rusqlite::Result<_>>().map_err(errors.sql())
}

/// What is stored for these tenants in one of the files, in their order.
fn of(connection: &Connection, errors: Errors<'_>, tenants: &BTreeSet<String>) -> Result<Vec<i64>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT bytes FROM tenant_bytes WHERE tenant = ?1").map_err(errors.sql())?;
    let mut bytes = |tenant: &String| statement.query_row([tenant], |row| row.get::<_, i64>(0)).optional();
    tenants.iter().map(|tenant| bytes(tenant).map(Option::unwrap_or_default).map_err(errors.sql())).collect()
}

impl SqliteStore {
    /// What is stored in all files together for the tenants that have the most.
    pub(super) async fn bytes_beyond(&self, at_least: u64, at_most: usize) -> Result<Vec<StoredBytes>, StoreError> {
        let files: [&Database; 2] = [&self.database, &self.executions];
        // Who has that much in all files has an equal part of it in one of them at least.
        let part = columns::bytes(at_least.div_ceil(files.len() as u64));
        let mut tenants = BTreeSet::new();
        for file in files {
            tenants.extend(file.read_for_worker(move |connection, errors| beyond(connection, errors, part, at_most)).await?);
        }
        let mut sums = vec![0_u64; tenants.len()];
        for file in files {
            let these = tenants.clone();
            let bytes = file.read_for_worker(move |connection, errors| of(connection, errors, &these)).await?;
            for (sum, bytes) in sums.iter_mut().zip(bytes) {
                *sum = sum.saturating_add(u64::try_from(bytes).unwrap_or_default());
            }
        }
        let all = tenants.iter().zip(sums).filter(|(_, bytes)| *bytes >= at_least);
        let mut stored = all.map(|(tenant, bytes)| StoredBytes::new(tenant, bytes)).collect::<Result<Vec<_>, _>>()?;
        stored.sort_by_key(|stored| std::cmp::Reverse(stored.bytes));
        stored.truncate(at_most);
        Ok(stored)
    }
}
