//! Searches of a tenant's log.

use tokio::time::Instant;
use vestibule_model::{TenantId, Timestamp};

use super::errors::Trouble;
use super::lease::{Connections, Lease};
use super::lists::{BEHIND_RETRY_AFTER, give_positions};
use super::login::bytes;
use super::parameters::Parameter;
use crate::columns::{self, millis};
use crate::error::StoreError;
use crate::log::{LogFound, LogOrder, LogPage, LogPosition, LogSearch};

/// Rows of one statement at most.
const ROWS: usize = 1_000;

macro_rules! select {
    ($where:literal, $order:literal) => {
        concat!(
            "SELECT position, kind, date, body, id::text FROM log WHERE tenant = $1 AND position IS NOT NULL AND ",
            $where,
            " ORDER BY ",
            $order,
            " LIMIT $2"
        )
    };
}

const NEWEST: &str = select!("date >= $3 AND (date, id) < ($4, $5::text::uuid)", "date DESC, id DESC");
const OLDEST: &str = select!("date <= $3 AND (date, id) > ($4, $5::text::uuid)", "date, id");
/// Of any kind but that of successful logins, which is most of a log and in no index.
const NEWEST_OF_KIND: &str =
    select!("date >= $3 AND (date, id) < ($4, $5::text::uuid) AND kind = $6 AND kind <> 's'", "date DESC, id DESC");
const OLDEST_OF_KIND: &str =
    select!("date <= $3 AND (date, id) > ($4, $5::text::uuid) AND kind = $6 AND kind <> 's'", "date, id");
const LAST: &str = select!("position >= $3 AND position <= $4", "position DESC");
const FIRST: &str = select!("position >= $3 AND position <= $4", "position");

const FIRST_ID: &str = "00000000-0000-0000-0000-000000000000";
const LAST_ID: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/// A row as it was read.
struct Row {
    position: i64,
    kind: String,
    date: i64,
    body: String,
    id: String,
}

/// Where the next statement begins.
struct Cursor {
    date: i64,
    id: String,
    /// Positions from and to.
    positions: (i64, i64),
}

impl Cursor {
    fn start(search: &LogSearch) -> Self {
        let filter = &search.filter;
        let (date, id) = match search.order {
            LogOrder::NewestFirst => (millis(until(search)) + 1, FIRST_ID),
            LogOrder::OldestFirst => (millis(filter.since.unwrap_or_default()) - 1, LAST_ID),
        };
        let to = columns::position(filter.to.unwrap_or(LogPosition::LAST));
        Self { date, id: id.to_owned(), positions: (filter.from.map_or(0, columns::position), to) }
    }

    /// Behind this row.
    fn advance(&mut self, order: LogOrder, row: &Row) {
        self.date = row.date;
        self.id.clone_from(&row.id);
        match order {
            LogOrder::NewestFirst => self.positions.1 = row.position - 1,
            LogOrder::OldestFirst => self.positions.0 = row.position + 1,
        }
    }
}

fn until(search: &LogSearch) -> Timestamp {
    search.filter.until.unwrap_or(Timestamp::from_millis(u64::MAX))
}

pub(super) async fn log(connections: &Connections, tenant: &TenantId, search: &LogSearch) -> Result<LogFound, StoreError> {
    let deadline = Instant::now() + connections.call;
    if !give_positions(connections, tenant, deadline).await? && search.order == LogOrder::NewestFirst {
        return Err(StoreError::Busy { retry_after: BEHIND_RETRY_AFTER });
    }
    let mut page = LogPage::new(search);
    let mut cursor = Cursor::start(search);
    loop {
        let limit = page.rows_left().min(ROWS);
        if limit == 0 {
            return Ok(page.done(false));
        }
        let found = connections.attempt_until(deadline, true, |lease| rows(lease, tenant, search, &cursor, limit)).await?;
        for row in &found {
            page.read(row.position, &row.kind, row.date, &row.body)?;
        }
        match found.last() {
            Some(last) if found.len() == limit => cursor.advance(search.order, last),
            _ => return Ok(page.done(true)),
        }
    }
}

/// One attempt.
async fn rows(lease: Lease, tenant: &TenantId, search: &LogSearch, cursor: &Cursor, limit: usize) -> Result<Vec<Row>, Trouble> {
    let filter = &search.filter;
    let select = |newest, oldest| if search.order == LogOrder::NewestFirst { newest } else { oldest };
    let (tenant, limit) = (bytes(tenant), columns::rows(limit));
    let kind = filter.indexed_kind().map(|kind| kind.as_str());
    let other_end = match search.order {
        LogOrder::NewestFirst => millis(filter.since.unwrap_or_default()),
        LogOrder::OldestFirst => millis(until(search)),
    };
    let mut parameters: Vec<Parameter<'_>> = vec![&tenant, &limit];
    let statement = if filter.is_by_position() {
        parameters.extend([&cursor.positions.0 as Parameter<'_>, &cursor.positions.1]);
        select(LAST, FIRST)
    } else {
        parameters.extend([&other_end as Parameter<'_>, &cursor.date, &cursor.id]);
        match &kind {
            Some(kind) => {
                parameters.push(kind);
                select(NEWEST_OF_KIND, OLDEST_OF_KIND)
            }
            None => select(NEWEST, OLDEST),
        }
    };
    let statement = lease.prepare(statement).await?;
    let found = lease.client()?.query(&statement, &parameters).await?;
    let row = |row: &tokio_postgres::Row| {
        Ok(Row {
            position: row.try_get(0)?,
            kind: row.try_get(1)?,
            date: row.try_get(2)?,
            body: row.try_get(3)?,
            id: row.try_get(4)?,
        })
    };
    found.iter().map(row).collect()
}
