//! Deliveries as operators see them, and who sends the streams of the log.

use vestibule_model::{TenantId, Timestamp};

use super::changes::{change, change_and_return};
use super::errors::Trouble;
use super::lease::Lease;
use super::login::bytes;
use super::parameters::Parameter;
use super::rows::delivery_row;
use crate::columns::{self, delivery_columns, millis, timestamp};
use crate::delivery::{Backlog, Delivery, DeliveryCursor, DeliveryPage, DeliveryState};
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
            "' AND coalesce($1::text, '",
            $state,
            "') = '",
            $state,
            "' AND (created_at, tenant, id) > ($2, $3, $4) AND ($5::bytea IS NULL OR tenant = $5) \
             ORDER BY created_at, tenant, id LIMIT $6) AS ",
            $state
        )
    };
}

/// The first of each state, so that none is read that is not shown.
const DELIVERIES: &str = concat!(of_state!("pending"), " UNION ALL ", of_state!("refused"), " UNION ALL ", of_state!("given_up"));

const DELIVERY: &str = concat!("SELECT ", delivery_columns!(), " FROM deliveries WHERE tenant = $1 AND id = $2");

const BACKLOG: &str = "SELECT (SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE state = 'pending' LIMIT $1) AS counted), \
     (SELECT min(created_at) FROM deliveries WHERE state = 'pending')";

const CLAIM: &str = "INSERT INTO streams (tenant, name, position, holder, until) VALUES ($1, $2, 0, $3, $5) \
     ON CONFLICT (tenant, name) DO UPDATE SET holder = $3, until = $5 \
     WHERE streams.holder IS NULL OR streams.holder = $3 OR streams.until <= $4 RETURNING position";
const ADVANCE: &str =
    "UPDATE streams SET position = greatest(position, $4), until = $5 WHERE tenant = $1 AND name = $2 AND holder = $3";
const RELEASE: &str = "UPDATE streams SET holder = NULL WHERE tenant = $1 AND name = $2 AND holder = $3";

pub(super) async fn deliveries(
    lease: &Lease,
    tenant: Option<&TenantId>,
    state: Option<DeliveryState>,
    after: Option<&DeliveryCursor>,
    take: usize,
) -> Result<DeliveryPage, Trouble> {
    let (state, tenant) = (state.map(DeliveryState::as_str), tenant.map(bytes));
    // No moment lies before nought, and no tenant is empty, so all come after this.
    let (at, of, id) = after.map_or((0, [].as_slice(), Vec::new()), |after| {
        (millis(after.created_at), bytes(&after.tenant), after.id.to_string().into_bytes())
    });
    // One more than asked for tells whether there is another page.
    let limit = columns::rows(take.saturating_add(1));
    let select = lease.prepare(DELIVERIES).await?;
    let found = lease.client()?.query(&select, &[&state, &at, &of, &id, &tenant, &limit]).await?;
    let found = found.iter().map(delivery_row).collect::<Result<_, Trouble>>()?;
    Ok(DeliveryPage::of(found, take))
}

pub(super) async fn delivery(lease: &Lease, tenant: &TenantId, id: DeliveryId) -> Result<Option<Delivery>, Trouble> {
    let select = lease.prepare(DELIVERY).await?;
    match lease.client()?.query_opt(&select, &[&bytes(tenant), &id.to_string().into_bytes()]).await? {
        Some(row) => Ok(Some(delivery_row(&row)?.read()?)),
        None => Ok(None),
    }
}

pub(super) async fn backlog(lease: &Lease) -> Result<Backlog, Trouble> {
    let select = lease.prepare(BACKLOG).await?;
    let most = i64::try_from(Backlog::MOST).unwrap_or(i64::MAX);
    let row = lease.client()?.query_one(&select, &[&most]).await?;
    let (pending, oldest): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(Backlog { pending: pending.unsigned_abs(), oldest: oldest.map(timestamp).transpose()? })
}

/// One attempt.
pub(super) async fn claim_stream(
    lease: Lease,
    (tenant, name): (&TenantId, &str),
    holder: Holder,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<LogPosition>, Trouble> {
    let parameters: [Parameter<'_>; 5] = [&bytes(tenant), &name.as_bytes(), &holder.to_string(), &millis(now), &millis(until)];
    match change_and_return(lease, CLAIM, parameters).await?.first() {
        Some(row) => Ok(Some(columns::position_of(row.try_get(0)?)?)),
        None => Ok(None),
    }
}

/// One attempt.
pub(super) async fn advance_stream(
    lease: Lease,
    (tenant, name): (&TenantId, &str),
    holder: Holder,
    position: LogPosition,
    until: Timestamp,
) -> Result<bool, Trouble> {
    let parameters: [Parameter<'_>; 5] =
        [&bytes(tenant), &name.as_bytes(), &holder.to_string(), &columns::position(position), &millis(until)];
    Ok(change(lease, ADVANCE, parameters).await? > 0)
}

/// One attempt.
pub(super) async fn release_stream(lease: Lease, (tenant, name): (&TenantId, &str), holder: Holder) -> Result<(), Trouble> {
    let parameters: [Parameter<'_>; 3] = [&bytes(tenant), &name.as_bytes(), &holder.to_string()];
    change(lease, RELEASE, parameters).await.map(drop)
}
