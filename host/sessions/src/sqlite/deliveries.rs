//! Deliveries on their way: who is due, whose they are, and how they end.

use rusqlite::{Connection, Params, params};
use vestibule_model::{TenantId, Timestamp};

use super::Errors;
use super::logouts::delivery_row;
use super::rows;
use crate::columns::{self, DeliveryRow, delivery_columns, due_receiver, error_text, millis, outcome};
use crate::delivery::{Claimed, Claims, DeliveryState, DueReceiver, Held, ReceiverShare, Settled};
use crate::error::StoreError;
use crate::logout::{self, Subscription};
use crate::tokens::{Claim, DeliveryId};

/// Goes from receiver to receiver, one look at `deliveries_due` for each: the first of the next
/// one's, by rowid, or else of the next tenant's. What else waits behind the first is never read,
/// so a backlog of one costs the others nothing. (A `SELECT DISTINCT` would read all of it, and so
/// would `(tenant, receiver) > (…)`: SQLite begins with those that are equal.) The index is named,
/// since SQLite takes the one on `state` otherwise, and sorts all that is pending for every
/// receiver.
const DUE: &str = "WITH RECURSIVE first (number) AS ( \
         SELECT (SELECT number FROM deliveries INDEXED BY deliveries_due WHERE state = 'pending' ORDER BY tenant, receiver, due_at LIMIT 1) \
         UNION ALL \
         SELECT ifnull( \
             (SELECT next.number FROM deliveries AS next INDEXED BY deliveries_due \
              WHERE next.state = 'pending' AND next.tenant = this.tenant AND next.receiver > this.receiver \
              ORDER BY next.receiver, next.due_at LIMIT 1), \
             (SELECT next.number FROM deliveries AS next INDEXED BY deliveries_due \
              WHERE next.state = 'pending' AND next.tenant > this.tenant \
              ORDER BY next.tenant, next.receiver, next.due_at LIMIT 1)) \
         FROM first JOIN deliveries AS this ON this.number = first.number) \
     SELECT tenant, receiver, due_at FROM first CROSS JOIN deliveries USING (number) WHERE due_at <= ?1 \
     ORDER BY due_at, tenant, receiver LIMIT ?2";

/// A receiver's due ones, in the order of `deliveries_due`, and what their clients want to hear
/// now.
const NEXT: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    ", (SELECT logout FROM clients WHERE clients.tenant = deliveries.tenant AND clients.id = deliveries.client_id), number \
     FROM deliveries WHERE state = 'pending' AND tenant = ?1 AND receiver = ?2 AND due_at <= ?3 ORDER BY due_at LIMIT ?4"
);

pub(super) fn due(
    connection: &Connection,
    errors: Errors<'_>,
    now: Timestamp,
    at_most: usize,
) -> Result<Vec<DueReceiver>, StoreError> {
    let mut select = connection.prepare_cached(DUE).map_err(errors.sql())?;
    let mut rows = select.query((millis(now), columns::rows(at_most))).map_err(errors.sql())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(errors.sql())? {
        let text = |column| row.get_ref(column).and_then(|text| Ok(text.as_str()?)).map_err(errors.sql());
        found.push(due_receiver(text(0)?, text(1)?, row.get(2).map_err(errors.sql())?)?);
    }
    Ok(found)
}

pub(super) fn claim(
    connection: &Connection,
    errors: Errors<'_>,
    shares: &[ReceiverShare],
    now: Timestamp,
    until: Timestamp,
) -> Result<Claims, StoreError> {
    let claim = Claim::random()?;
    let Claims { mut claimed, mut set_aside } = Claims::default();
    for share in shares {
        for (number, logout, mut row) in next(connection, share, now).map_err(errors.sql())? {
            if !logout.is_some_and(|logout| Subscription::read(&logout).may_send_to(&row.url)) {
                change(connection, "DELETE FROM deliveries WHERE number = ?1", [number]).map_err(errors.sql())?;
                set_aside += 1;
                continue;
            }
            (row.claim, row.due_at, row.attempts) = (Some(claim.to_string()), millis(until), row.attempts.saturating_add(1));
            match row.read() {
                Ok(delivery) => {
                    const CLAIM: &str = "UPDATE deliveries SET claim = ?2, due_at = ?3, attempts = ?4 WHERE number = ?1";
                    change(connection, CLAIM, params![number, row.claim, row.due_at, row.attempts]).map_err(errors.sql())?;
                    claimed.push(Claimed { delivery, claim });
                }
                // Nobody can send it, and it must not be in the way of those that can be sent.
                Err(error) => {
                    const GIVE_UP: &str =
                        "UPDATE deliveries SET state = ?2, finished_at = ?3, last_error = ?4, claim = NULL WHERE number = ?1";
                    let error = error_text(&error.to_string());
                    let line = logout::unreadable(&row, &error, millis(now));
                    let parameters = params![number, DeliveryState::GivenUp.as_str(), millis(now), error];
                    change(connection, GIVE_UP, parameters).map_err(errors.sql())?;
                    rows::insert_line(connection, &line.tenant, line.kind, line.date, &line.body).map_err(errors.sql())?;
                    set_aside += 1;
                }
            }
        }
    }
    Ok(Claims { claimed, set_aside })
}

/// Each with its number in the table, and its client's settings.
fn next(
    connection: &Connection,
    share: &ReceiverShare,
    now: Timestamp,
) -> rusqlite::Result<Vec<(i64, Option<String>, DeliveryRow)>> {
    let parameters = (share.tenant.as_str(), share.receiver.as_str(), millis(now), columns::rows(share.at_most));
    connection.prepare_cached(NEXT)?.query_map(parameters, |row| Ok((row.get(18)?, row.get(17)?, delivery_row(row)?)))?.collect()
}

/// Lines of the log are written out already.
pub(super) fn settle(
    connection: &Connection,
    errors: Errors<'_>,
    settled: &[(Settled, Option<String>)],
    now: Timestamp,
) -> Result<Vec<bool>, StoreError> {
    settled
        .iter()
        .map(|(settled, body)| {
            let was_held = settle_one(connection, settled, now).map_err(errors.sql())?;
            if let (true, Some(line), Some(body)) = (was_held, &settled.log, body) {
                rows::insert_entry(connection, &settled.tenant, line, body).map_err(errors.sql())?;
            }
            Ok(was_held)
        })
        .collect()
}

fn settle_one(connection: &Connection, settled: &Settled, now: Timestamp) -> rusqlite::Result<bool> {
    const FORGET: &str = "DELETE FROM deliveries WHERE tenant = ?1 AND id = ?2 AND claim = ?3 AND state = 'pending'";
    const KEEP: &str = "UPDATE deliveries SET claim = NULL, state = ?4, due_at = ifnull(?5, due_at), \
         last_error = ifnull(?6, last_error), \
         finished_at = iif(?4 = 'pending', NULL, ?7) WHERE tenant = ?1 AND id = ?2 AND claim = ?3 AND state = 'pending'";
    let (tenant, id, claim) = (settled.tenant.as_str(), settled.id.to_string(), settled.claim.to_string());
    let changed = match outcome(&settled.result) {
        None => change(connection, FORGET, (tenant, id, claim))?,
        Some((state, due_at, error)) => {
            change(connection, KEEP, (tenant, id, claim, state.as_str(), due_at, error, millis(now)))?
        }
    };
    Ok(changed > 0)
}

pub(super) fn release(connection: &Connection, errors: Errors<'_>, held: &[Held<'_>], now: Timestamp) -> Result<(), StoreError> {
    const RELEASE: &str = "UPDATE deliveries SET claim = NULL, due_at = ?4, attempts = max(attempts - 1, 0) \
         WHERE tenant = ?1 AND id = ?2 AND claim = ?3 AND state = 'pending'";
    for Held { tenant, id, claim } in held {
        let parameters = (tenant.as_str(), id.to_string(), claim.to_string(), millis(now));
        change(connection, RELEASE, parameters).map_err(errors.sql())?;
    }
    Ok(())
}

pub(super) fn retry(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: DeliveryId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const RETRY: &str = "UPDATE deliveries SET state = 'pending', due_at = ?3, attempts = 0, claim = NULL, \
         last_error = NULL, finished_at = NULL WHERE tenant = ?1 AND id = ?2";
    let changed = change(connection, RETRY, (tenant.as_str(), id.to_string(), millis(now))).map_err(errors.sql())?;
    Ok(changed > 0)
}

pub(super) fn forget(connection: &Connection, errors: Errors<'_>, tenant: &TenantId, id: DeliveryId) -> Result<bool, StoreError> {
    const FORGET: &str = "DELETE FROM deliveries WHERE tenant = ?1 AND id = ?2";
    Ok(change(connection, FORGET, (tenant.as_str(), id.to_string())).map_err(errors.sql())? > 0)
}

fn change(connection: &Connection, statement: &str, parameters: impl Params) -> rusqlite::Result<usize> {
    connection.prepare_cached(statement)?.execute(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SqliteSettings, SqliteStore, Store as _};

    /// How SQLite goes about a statement.
    fn plan(connection: &Connection, statement: &str) -> Vec<String> {
        let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        let parameters = explained.parameter_count();
        let rows = explained.query_map(rusqlite::params_from_iter(vec![0; parameters]), |row| row.get(3)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    /// A connection to a new database.
    async fn database(folder: &tempfile::TempDir) -> Connection {
        let path = folder.path().join("sessions.db");
        SqliteStore::open(&path, SqliteSettings::default()).unwrap().close().await;
        Connection::open(path).unwrap()
    }

    /// So many more that are pending, for two tenants with five receivers each; all are due at 0.
    fn add(connection: &Connection, count: u32) {
        let insert = "WITH RECURSIVE one (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM one WHERE n < ?1) \
             INSERT INTO deliveries (tenant, id, client_id, session_id, user_id, url, receiver, initiator, ended_at, created_at, \
             attempts, due_at, state) SELECT 't' || (n % 2), hex(randomblob(16)), 'shop', 's', 'u', 'https://r/', \
             'https://r' || (n / 2 % 5) || ':443', 'rp-logout', 0, 0, 0, 0, 'pending' FROM one";
        connection.execute(insert, [count]).unwrap();
    }

    /// Whom SQLite finds to be due, and the steps that it takes for that.
    fn due_in_steps(connection: &Connection) -> (usize, i32) {
        let mut select = connection.prepare(DUE).unwrap();
        let found = select.query_map((0, 1_000), |_| Ok(())).unwrap().count();
        (found, select.get_status(rusqlite::StatementStatus::VmStep))
    }

    #[tokio::test]
    async fn who_is_due_is_found_without_reading_what_waits_behind_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let connection = database(&folder).await;
        add(&connection, 100);
        let (found, few) = due_in_steps(&connection);
        assert_eq!(found, 10);
        add(&connection, 20_000);
        let (found, many) = due_in_steps(&connection);
        assert_eq!(found, 10);
        assert!(many < 2 * few, "{few} steps where ten wait behind each first, and {many} where two thousand do");
    }

    #[tokio::test]
    async fn what_is_next_comes_by_the_index_and_is_not_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let next = plan(&database(&folder).await, NEXT);
        assert!(next[0].contains("INDEX deliveries_due (tenant=? AND receiver=? AND due_at<?)"), "{next:#?}");
        assert!(!next.iter().any(|step| step.contains("TEMP B-TREE")), "{next:#?}");
    }
}
