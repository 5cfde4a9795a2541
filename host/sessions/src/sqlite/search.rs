//! Searches of a tenant's log.

use rusqlite::{Connection, Params};
use vestibule_model::{TenantId, Timestamp};

use super::Errors;
use crate::columns::{self, millis};
use crate::error::StoreError;
use crate::log::{LogFound, LogOrder, LogPage, LogPosition, LogSearch};

/// The index is named: without statistics SQLite may take another one, which reads all kinds.
macro_rules! select {
    ($index:literal, $where:literal, $order:literal) => {
        concat!(
            "SELECT position, kind, date, body FROM log INDEXED BY ",
            $index,
            " WHERE tenant = ?1 AND ",
            $where,
            " ORDER BY ",
            $order,
            " LIMIT ?4"
        )
    };
}

const NEWEST: &str = select!("log_by_tenant_and_date", "date >= ?2 AND date <= ?3", "date DESC, position DESC");
const OLDEST: &str = select!("log_by_tenant_and_date", "date >= ?2 AND date <= ?3", "date, position");
/// Of any kind but that of successful logins, which is most of a log and in no index.
const NEWEST_OF_KIND: &str =
    select!("log_by_kind", "date >= ?2 AND date <= ?3 AND kind = ?5 AND kind <> 's'", "date DESC, position DESC");
const OLDEST_OF_KIND: &str = select!("log_by_kind", "date >= ?2 AND date <= ?3 AND kind = ?5 AND kind <> 's'", "date, position");
const LAST: &str = select!("log_by_tenant", "position >= ?2 AND position <= ?3", "position DESC");
const FIRST: &str = select!("log_by_tenant", "position >= ?2 AND position <= ?3", "position");

pub(super) fn log(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    search: &LogSearch,
) -> Result<LogFound, StoreError> {
    let (filter, order, tenant) = (&search.filter, search.order, tenant.as_str());
    let select = |newest, oldest| if order == LogOrder::NewestFirst { newest } else { oldest };
    let limit = columns::rows(LogPage::new(search).rows_left());
    if filter.is_by_position() {
        let from = filter.from.map_or(0, columns::position);
        let to = columns::position(filter.to.unwrap_or(LogPosition::LAST));
        return page(connection, errors, search, select(LAST, FIRST), (tenant, from, to, limit));
    }
    let since = millis(filter.since.unwrap_or_default());
    let until = millis(filter.until.unwrap_or(Timestamp::from_millis(u64::MAX)));
    match filter.indexed_kind() {
        Some(kind) => {
            let parameters = (tenant, since, until, limit, kind.as_str());
            page(connection, errors, search, select(NEWEST_OF_KIND, OLDEST_OF_KIND), parameters)
        }
        None => page(connection, errors, search, select(NEWEST, OLDEST), (tenant, since, until, limit)),
    }
}

fn page(
    connection: &Connection,
    errors: Errors<'_>,
    search: &LogSearch,
    statement: &str,
    parameters: impl Params,
) -> Result<LogFound, StoreError> {
    let mut page = LogPage::new(search);
    let mut statement = connection.prepare_cached(statement).map_err(errors.sql())?;
    let mut rows = statement.query(parameters).map_err(errors.sql())?;
    while page.rows_left() > 0 {
        let Some(row) = rows.next().map_err(errors.sql())? else { return Ok(page.done(true)) };
        let text = |column| row.get_ref(column).and_then(|value| Ok(value.as_str()?)).map_err(errors.sql());
        let number = |column| row.get(column).map_err(errors.sql());
        page.read(number(0)?, text(1)?, number(2)?, text(3)?)?;
    }
    Ok(page.done(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_search_walks_an_index_in_its_order() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../../migrations/sqlite/0001_sessions.sql")).unwrap();
        for (statement, index) in [
            (NEWEST, "log_by_tenant_and_date"),
            (OLDEST, "log_by_tenant_and_date"),
            (NEWEST_OF_KIND, "log_by_kind"),
            (OLDEST_OF_KIND, "log_by_kind"),
            (LAST, "log_by_tenant"),
            (FIRST, "log_by_tenant"),
        ] {
            let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
            let parameters = rusqlite::params_from_iter(vec![0; explained.parameter_count()]);
            let rows = explained.query_map(parameters, |row| row.get::<_, String>(3)).unwrap();
            let plan = rows.collect::<Result<Vec<_>, _>>().unwrap();
            let plan = plan.join("; ");
            assert!(plan.contains(&format!("USING INDEX {index} ")) && !plan.contains("TEMP B-TREE"), "{statement}: {plan}");
        }
    }
}
