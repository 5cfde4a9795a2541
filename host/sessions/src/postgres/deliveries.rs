//! Deliveries on their way: who is due, whose they are, and how they end.

use std::collections::{BTreeMap, HashSet};

use tokio::join;
use vestibule_model::{TenantId, Timestamp};

use super::changes::{change, change_and_return};
use super::errors::Trouble;
use super::lease::{Lease, Write};
use super::login::bytes;
use super::parameters::Parameter;
use super::rows::{delivery_row, text};
use crate::columns::{self, body, due_receiver, error_text, millis, outcome};
use crate::delivery::{Claimed, Claims, DueReceiver, Held, ReceiverShare, Settled};
use crate::error::StoreError;
use crate::logout::{self, Subscription};
use crate::tokens::{Claim, DeliveryId};

/// Goes from receiver to receiver, one look at `deliveries_due` for each: the first of the next
/// one's. What else waits behind the first is never read, so a backlog of one costs the others
/// nothing. (A `SELECT DISTINCT` would read all of it.)
const DUE: &str = "WITH RECURSIVE first AS ( \
         (SELECT tenant, receiver, due_at FROM deliveries WHERE state = 'pending' ORDER BY tenant, receiver, due_at LIMIT 1) \
         UNION ALL \
         SELECT next.tenant, next.receiver, next.due_at FROM first, LATERAL ( \
             SELECT tenant, receiver, due_at FROM deliveries \
             WHERE state = 'pending' AND (tenant, receiver) > (first.tenant, first.receiver) \
             ORDER BY tenant, receiver, due_at LIMIT 1) AS next) \
     SELECT tenant, receiver, due_at FROM first WHERE due_at <= $1 ORDER BY due_at, tenant, receiver LIMIT $2";

/// The due ones of each receiver, in the order of `deliveries_due`, and what their clients want to
/// hear now. What another server has in its hands is skipped: it is not due any more when that is
/// done.
const NEXT: &str = "SELECT next.* FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) AS share (tenant, receiver, at_most), LATERAL ( \
         SELECT tenant, id, client_id, session_id, user_id, url, receiver, initiator, ended_at, metadata, created_at, attempts, due_at, \
             claim, last_error, state, finished_at, \
             (SELECT logout FROM clients WHERE clients.tenant = deliveries.tenant AND clients.id = deliveries.client_id) AS wanted \
         FROM deliveries WHERE state = 'pending' AND deliveries.tenant = share.tenant AND deliveries.receiver = share.receiver \
         AND due_at <= $4 ORDER BY due_at LIMIT share.at_most FOR UPDATE OF deliveries SKIP LOCKED) AS next \
     ORDER BY next.tenant, next.receiver, next.due_at";

const CLAIM: &str = "UPDATE deliveries SET claim = $3, due_at = $4, attempts = attempts + 1 \
     FROM unnest($1::bytea[], $2::bytea[]) AS mine (tenant, id) WHERE deliveries.tenant = mine.tenant AND deliveries.id = mine.id";
const DROP: &str = "DELETE FROM deliveries USING unnest($1::bytea[], $2::bytea[]) AS lost (tenant, id) \
     WHERE deliveries.tenant = lost.tenant AND deliveries.id = lost.id";
const GIVE_UP: &str = "WITH bad AS MATERIALIZED (SELECT * FROM unnest($1::bytea[], $2::bytea[], $4::text[], $5::text[], $6::text[]) \
         AS bad (tenant, id, error, kind, body)), \
     lines AS (INSERT INTO log (tenant, date, kind, body) SELECT tenant, $3::bigint, kind, body FROM bad) \
     UPDATE deliveries SET state = 'given_up', finished_at = $3::bigint, last_error = bad.error, claim = NULL FROM bad \
     WHERE deliveries.tenant = bad.tenant AND deliveries.id = bad.id";

/// One statement: which of these are the caller's, what becomes of each, and the lines of the log.
/// A row that goes has no state.
const SETTLE: &str = "WITH settled AS MATERIALIZED (SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[], $5::bigint[], \
         $6::text[], $7::bigint[], $8::text[], $9::text[]) \
         WITH ORDINALITY AS one (tenant, id, claim, state, due_at, error, date, kind, body, place)), \
     held AS MATERIALIZED (SELECT settled.* FROM settled JOIN deliveries ON deliveries.tenant = settled.tenant \
         AND deliveries.id = settled.id AND deliveries.claim = settled.claim WHERE deliveries.state = 'pending' \
         ORDER BY deliveries.tenant, deliveries.id FOR UPDATE OF deliveries), \
     gone AS (DELETE FROM deliveries USING held WHERE held.state IS NULL \
         AND deliveries.tenant = held.tenant AND deliveries.id = held.id), \
     kept AS (UPDATE deliveries SET claim = NULL, state = held.state, due_at = coalesce(held.due_at, deliveries.due_at), \
         last_error = coalesce(held.error, deliveries.last_error), finished_at = CASE WHEN held.state = 'pending' THEN NULL ELSE $10::bigint END \
         FROM held WHERE held.state IS NOT NULL AND deliveries.tenant = held.tenant AND deliveries.id = held.id), \
     lines AS (INSERT INTO log (tenant, date, kind, body) SELECT tenant, date, kind, body FROM held WHERE kind IS NOT NULL) \
     SELECT place FROM held";

const RELEASE: &str = "WITH held AS MATERIALIZED (SELECT deliveries.tenant, deliveries.id \
         FROM unnest($1::bytea[], $2::bytea[], $3::text[]) AS one (tenant, id, claim) JOIN deliveries \
         ON deliveries.tenant = one.tenant AND deliveries.id = one.id AND deliveries.claim = one.claim \
         WHERE deliveries.state = 'pending' ORDER BY deliveries.tenant, deliveries.id FOR UPDATE OF deliveries) \
     UPDATE deliveries SET claim = NULL, due_at = $4, attempts = greatest(attempts - 1, 0) \
     FROM held WHERE deliveries.tenant = held.tenant AND deliveries.id = held.id";

const RETRY: &str = "UPDATE deliveries SET state = 'pending', due_at = $3, attempts = 0, claim = NULL, \
     last_error = NULL, finished_at = NULL WHERE tenant = $1 AND id = $2";
const FORGET: &str = "DELETE FROM deliveries WHERE tenant = $1 AND id = $2";

pub(super) async fn due(lease: &Lease, now: Timestamp, at_most: usize) -> Result<Vec<DueReceiver>, Trouble> {
    let select = lease.prepare(DUE).await?;
    let rows = lease.client()?.query(&select, &[&millis(now), &columns::rows(at_most)]).await?;
    rows.iter().map(|row| Ok(due_receiver(&text(row.try_get(0)?)?, &text(row.try_get(1)?)?, row.try_get(2)?)?)).collect()
}

/// One attempt, in two trips.
pub(super) async fn claim(
    mut lease: Lease,
    shares: &[ReceiverShare],
    now: Timestamp,
    until: Timestamp,
) -> Result<Claims, Trouble> {
    // What a transaction has locked it does not skip: each receiver is asked for once.
    let mut asked: BTreeMap<(&[u8], &[u8]), i64> = BTreeMap::new();
    for ReceiverShare { tenant, receiver, at_most } in shares {
        let at_most_of = asked.entry((bytes(tenant), receiver.as_str().as_bytes())).or_default();
        *at_most_of = at_most_of.saturating_add(columns::rows(*at_most));
    }
    let tenants: Vec<_> = asked.keys().map(|(tenant, _)| *tenant).collect();
    let receivers: Vec<_> = asked.keys().map(|(_, receiver)| *receiver).collect();
    let limits: Vec<_> = asked.values().copied().collect();
    let select = lease.prepare(NEXT).await?;
    lease.begins();
    let client = lease.client()?;
    let now = millis(now);
    let parameters: [Parameter<'_>; 4] = [&tenants, &receivers, &limits, &now];
    let (begun, found) = join!(biased; client.begin(""), client.query(&select, &parameters));
    begun?;
    let found = found?;
    if found.is_empty() {
        lease.roll_back().await?;
        return Ok(Claims::default());
    }

    let claim = Claim::random()?;
    let (mut claimed, mut mine, mut lost, mut bad) = (Vec::new(), Keys::default(), Keys::default(), Keys::default());
    let (mut errors, mut lines) = (Vec::new(), Vec::new());
    for row in &found {
        let logout: Option<&str> = row.try_get(17)?;
        let mut row = delivery_row(row)?;
        if !logout.is_some_and(|logout| Subscription::read(logout).may_send_to(&row.url)) {
            lost.add(row.tenant, row.id);
            continue;
        }
        (row.claim, row.due_at, row.attempts) = (Some(claim.to_string()), millis(until), row.attempts.saturating_add(1));
        match row.read() {
            Ok(delivery) => {
                claimed.push(Claimed { delivery, claim });
                mine.add(row.tenant, row.id);
            }
            // Nobody can send it, and it must not be in the way of those that can be sent.
            Err(error) => {
                let error = error_text(&error.to_string());
                lines.push(logout::unreadable(&row, &error, now));
                errors.push(error);
                bad.add(row.tenant, row.id);
            }
        }
    }
    let (token, until) = (claim.to_string(), millis(until));
    let kinds: Vec<_> = lines.iter().map(|line| line.kind).collect();
    let bodies: Vec<_> = lines.iter().map(|line| line.body.as_str()).collect();
    let given_up: Vec<Parameter<'_>> = vec![&bad.tenants, &bad.ids, &now, &errors, &kinds, &bodies];
    let writes = [
        Write::of(&lease, CLAIM, !mine.ids.is_empty(), vec![&mine.tenants, &mine.ids, &token, &until]).await?,
        Write::of(&lease, DROP, !lost.ids.is_empty(), vec![&lost.tenants, &lost.ids]).await?,
        Write::of(&lease, GIVE_UP, !bad.ids.is_empty(), given_up).await?,
        None,
    ];
    lease.commit_after(&writes).await?;
    Ok(Claims { set_aside: found.len() - claimed.len(), claimed })
}

/// Rows by their keys.
#[derive(Default)]
struct Keys {
    tenants: Vec<Vec<u8>>,
    ids: Vec<Vec<u8>>,
}

impl Keys {
    fn add(&mut self, tenant: String, id: String) {
        self.tenants.push(tenant.into_bytes());
        self.ids.push(id.into_bytes());
    }
}

/// One attempt.
pub(super) async fn settle(lease: Lease, settled: &[Settled], now: Timestamp) -> Result<Vec<bool>, Trouble> {
    // Each claim is settled once: of two of one row, the one that is not the caller's any more
    // settles nothing.
    let mut seen = HashSet::new();
    let places: Vec<usize> = (0..settled.len())
        .filter(|place| settled.get(*place).is_some_and(|one| seen.insert((&one.tenant, one.id, one.claim))))
        .collect();
    let rows: Vec<&Settled> = places.iter().filter_map(|place| settled.get(*place)).collect();

    let tenants: Vec<_> = rows.iter().map(|one| bytes(&one.tenant)).collect();
    let ids: Vec<_> = rows.iter().map(|one| one.id.to_string().into_bytes()).collect();
    let claims: Vec<_> = rows.iter().map(|one| one.claim.to_string()).collect();
    let outcomes: Vec<_> = rows.iter().map(|one| outcome(&one.result)).collect();
    let states: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().map(|(state, ..)| state.as_str())).collect();
    let due_at: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().and_then(|(_, due_at, _)| *due_at)).collect();
    let errors: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().and_then(|(.., error)| error.as_deref())).collect();
    let dates: Vec<_> = rows.iter().map(|one| one.log.as_ref().map(|line| millis(line.date))).collect();
    let kinds: Vec<_> = rows.iter().map(|one| one.log.as_ref().map(|line| line.kind.as_str())).collect();
    let bodies: Vec<_> = rows.iter().map(|one| one.log.as_ref().map(|line| body(&line.body))).collect();

    let now = millis(now);
    let parameters: [Parameter<'_>; 10] = [&tenants, &ids, &claims, &states, &due_at, &errors, &dates, &kinds, &bodies, &now];
    let mut was_held = vec![false; settled.len()];
    for row in change_and_return(lease, SETTLE, parameters).await? {
        // The first is 1.
        let place: i64 = row.try_get(0)?;
        let place = usize::try_from(place - 1).ok().and_then(|place| places.get(place));
        match place.and_then(|place| was_held.get_mut(*place)) {
            Some(was_held) => *was_held = true,
            // Those that were asked for are settled.
            None => return Err(StoreError::Failed { reason: "the database has settled more than was asked for".into() }.into()),
        }
    }
    Ok(was_held)
}

/// One attempt.
pub(super) async fn release(lease: Lease, held: &[Held<'_>], now: Timestamp) -> Result<(), Trouble> {
    let tenants: Vec<_> = held.iter().map(|one| bytes(one.tenant)).collect();
    let ids: Vec<_> = held.iter().map(|one| one.id.to_string().into_bytes()).collect();
    let claims: Vec<_> = held.iter().map(|one| one.claim.to_string()).collect();
    let parameters: [Parameter<'_>; 4] = [&tenants, &ids, &claims, &millis(now)];
    change(lease, RELEASE, parameters).await.map(drop)
}

/// One attempt.
pub(super) async fn retry(lease: Lease, tenant: &TenantId, id: DeliveryId, now: Timestamp) -> Result<bool, Trouble> {
    let id = id.to_string().into_bytes();
    let parameters: [Parameter<'_>; 3] = [&bytes(tenant), &id, &millis(now)];
    Ok(change(lease, RETRY, parameters).await? > 0)
}

/// One attempt.
pub(super) async fn forget(lease: Lease, tenant: &TenantId, id: DeliveryId) -> Result<bool, Trouble> {
    let id = id.to_string().into_bytes();
    let parameters: [Parameter<'_>; 2] = [&bytes(tenant), &id];
    Ok(change(lease, FORGET, parameters).await? > 0)
}
