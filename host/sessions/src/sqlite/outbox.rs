//! Deliveries as operators see them, and who sends the streams of the log.

use rusqlite::{Connection, OptionalExtension as _, params};
use vestibule_model::{TenantId, Timestamp};

use super::Errors;
use super::logouts::delivery_row;
use crate::columns::{self, delivery_columns, millis, timestamp};
use crate::delivery::{Backlog, Delivery, DeliveryCursor, DeliveryPage, DeliveryState};
use crate::error::StoreError;
use crate::log::LogPosition;
use crate::tokens::{DeliveryId, Holder};

/// Those of one state, where that or none is asked for. One tenant's are found among all of a state
/// by the index alone.
macro_rules! of_state {
    ($state:literal) => {
        concat!(
            "SELECT * FROM (SELECT ",
            delivery_columns!(),
            " FROM deliveries WHERE state = '",
            $state,
            "' AND ifnull(?1, '",
            $state,
            "') = '",
            $state,
            "' AND (created_at, tenant, id) > (?2, ?3, ?4) AND (?5 IS NULL OR tenant = ?5) ORDER BY created_at, tenant, id LIMIT ?6)"
        )
    };
}

/// The first of each state, so that none is read that is not shown.
const DELIVERIES: &str = concat!(of_state!("pending"), " UNION ALL ", of_state!("refused"), " UNION ALL ", of_state!("given_up"));

pub(super) fn deliveries(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: Option<&TenantId>,
    state: Option<DeliveryState>,
    after: Option<&DeliveryCursor>,
    take: usize,
) -> Result<DeliveryPage, StoreError> {
    let (state, tenant) = (state.map(DeliveryState::as_str), tenant.map(TenantId::as_str));
    // No moment lies before nought, and no tenant is empty, so all come after this.
    let (at, of, id) =
        after.map_or((0, "", String::new()), |after| (millis(after.created_at), after.tenant.as_str(), after.id.to_string()));
    // One more than asked for tells whether there is another page.
    let limit = columns::rows(take.saturating_add(1));
    let found = connection
        .prepare_cached(DELIVERIES)
        .and_then(|mut select| {
            select.query_map((state, at, of, id, tenant, limit), delivery_row)?.collect::<rusqlite::Result<Vec<_>>>()
        })
        .map_err(errors.sql())?;
    Ok(DeliveryPage::of(found, take))
}

pub(super) fn delivery(
    connection: &Connection,
    errors: Errors<'_>,
    tenant: &TenantId,
    id: DeliveryId,
) -> Result<Option<Delivery>, StoreError> {
    const SELECT: &str = concat!("SELECT ", delivery_columns!(), " FROM deliveries WHERE tenant = ?1 AND id = ?2");
    let row = connection
        .prepare_cached(SELECT)
        .and_then(|mut select| select.query_row((tenant.as_str(), id.to_string()), delivery_row).optional())
        .map_err(errors.sql())?;
    row.map(|row| row.read()).transpose()
}

pub(super) fn backlog(connection: &Connection, errors: Errors<'_>) -> Result<Backlog, StoreError> {
    const BACKLOG: &str = "SELECT (SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE state = 'pending' LIMIT ?1)), \
         (SELECT min(created_at) FROM deliveries WHERE state = 'pending')";
    let most = i64::try_from(Backlog::MOST).unwrap_or(i64::MAX);
    let (pending, oldest): (i64, Option<i64>) = connection
        .prepare_cached(BACKLOG)
        .and_then(|mut select| select.query_row([most], |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(errors.sql())?;
    Ok(Backlog { pending: pending.unsigned_abs(), oldest: oldest.map(timestamp).transpose()? })
}

pub(super) fn claim_stream(
    connection: &Connection,
    errors: Errors<'_>,
    (tenant, name): (&TenantId, &str),
    holder: Holder,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<LogPosition>, StoreError> {
    const CLAIM: &str = "INSERT INTO streams (tenant, name, position, holder, until) VALUES (?1, ?2, 0, ?3, ?5) \
         ON CONFLICT (tenant, name) DO UPDATE SET holder = ?3, until = ?5 \
         WHERE streams.holder IS NULL OR streams.holder = ?3 OR streams.until <= ?4 RETURNING position";
    let parameters = params![tenant.as_str(), name, holder.to_string(), millis(now), millis(until)];
    let position: Option<i64> = connection
        .prepare_cached(CLAIM)
        .and_then(|mut claim| claim.query_map(parameters, |row| row.get(0))?.next().transpose())
        .map_err(errors.sql())?;
    position.map(columns::position_of).transpose()
}

pub(super) fn advance_stream(
    connection: &Connection,
    errors: Errors<'_>,
    (tenant, name): (&TenantId, &str),
    holder: Holder,
    position: LogPosition,
    until: Timestamp,
) -> Result<bool, StoreError> {
    const ADVANCE: &str =
        "UPDATE streams SET position = max(position, ?4), until = ?5 WHERE tenant = ?1 AND name = ?2 AND holder = ?3";
    let parameters = params![tenant.as_str(), name, holder.to_string(), columns::position(position), millis(until)];
    let advanced = connection.prepare_cached(ADVANCE).and_then(|mut update| update.execute(parameters)).map_err(errors.sql())?;
    Ok(advanced > 0)
}

pub(super) fn release_stream(
    connection: &Connection,
    errors: Errors<'_>,
    (tenant, name): (&TenantId, &str),
    holder: Holder,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE streams SET holder = NULL WHERE tenant = ?1 AND name = ?2 AND holder = ?3")
        .and_then(|mut update| update.execute((tenant.as_str(), name, holder.to_string())))
        .map(drop)
        .map_err(errors.sql())
}
