//! All sessions of a user end by one mark, whatever their number; their ends are written some at a
//! time.

use tokio::join;
use vestibule_model::{TenantId, Timestamp, UserId};

use super::errors::Trouble;
use super::lease::{Connections, Lease, Write};
use super::login::bytes;
use super::logouts::end_these;
use super::parameters::Parameter;
use super::rows::{self, text};
use crate::columns::{self, is_marked, millis};
use crate::error::StoreError;
use crate::logout;
use crate::session::Ended;
use crate::store::{EndedAll, EndsWritten, MARK_GRACE_MILLIS};

const ALIVE: &str = concat!(
    "SELECT id, octet_length(clients)::bigint FROM sessions \
     WHERE tenant = $1 AND user_id = $2 AND ended_at IS NULL AND (ends_at IS NULL OR ends_at > $3) \
     AND NOT EXISTS (SELECT 1 FROM user_ends WHERE ",
    is_marked!(),
    ") ORDER BY id LIMIT $4 FOR UPDATE"
);

// A session that is created after a mark has that mark, so the next one is above it, whatever the
// clocks of the servers say.
const MARK: &str = "INSERT INTO user_ends (tenant, user_id, mark, ended_at, initiator) SELECT $1::bytea, $2::bytea, \
     greatest($3::bigint, coalesce((SELECT max(mark) FROM user_ends WHERE tenant = $1 AND user_id = $2), 0) + 1), $3::bigint, $4::text";

// One server writes the ends of a mark at a time.
const NEXT: &str = concat!(
    "SELECT tenant, user_id, mark, ended_at, initiator FROM user_ends WHERE written_at IS NULL AND tenant > $1 AND EXISTS \
     (SELECT 1 FROM sessions WHERE sessions.tenant = user_ends.tenant AND sessions.user_id = user_ends.user_id \
     AND sessions.ended_at IS NULL AND ",
    is_marked!(),
    ") ORDER BY tenant, mark LIMIT 1 FOR UPDATE SKIP LOCKED"
);
const MARKED: &str = "SELECT id, octet_length(clients)::bigint FROM sessions \
     WHERE tenant = $1 AND user_id = $2 AND ended_at IS NULL AND mark < $3 AND (ends_at IS NULL OR ends_at > $4) \
     ORDER BY id LIMIT $5 FOR UPDATE";

const WRITTEN: &str = concat!(
    "WITH done AS MATERIALIZED (SELECT tenant, user_id, mark FROM user_ends WHERE written_at IS NULL AND ended_at < $1::bigint - $2::bigint AND NOT EXISTS \
     (SELECT 1 FROM sessions WHERE sessions.tenant = user_ends.tenant AND sessions.user_id = user_ends.user_id \
     AND sessions.ended_at IS NULL AND ",
    is_marked!(),
    ") LIMIT $3 FOR UPDATE SKIP LOCKED) UPDATE user_ends SET written_at = $1 FROM done \
     WHERE user_ends.tenant = done.tenant AND user_ends.user_id = done.user_id AND user_ends.mark = done.mark"
);
const FORGOTTEN: &str = "WITH old AS MATERIALIZED (SELECT tenant, user_id, mark FROM user_ends \
     WHERE written_at IS NOT NULL AND written_at < $1 ORDER BY written_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
     DELETE FROM user_ends USING old \
     WHERE user_ends.tenant = old.tenant AND user_ends.user_id = old.user_id AND user_ends.mark = old.mark";

/// One attempt.
pub(super) async fn end_all_of(
    mut lease: Lease,
    tenant: &TenantId,
    user: &UserId,
    ended: Ended,
    at_once: usize,
) -> Result<EndedAll, Trouble> {
    let at_once = at_once.min(logout::ENDS_AT_ONCE);
    let (owner, user) = (bytes(tenant), user.as_str().as_bytes());
    let (at, limit) = (millis(ended.at), columns::rows(at_once.saturating_add(1)));
    let alive = lease.prepare(ALIVE).await?;
    lease.begins();
    let client = lease.client()?;
    let parameters: [Parameter<'_>; 4] = [&owner, &user, &at, &limit];
    let (begun, alive) = join!(biased; client.begin(""), client.query(&alive, &parameters));
    begun?;
    let alive = alive?;
    let (ids, lengths) = ids_and_lengths(&alive)?;
    if ids.len() <= at_once && logout::in_one_transaction(lengths) == ids.len() {
        return Ok(EndedAll::Written(end_these(lease, owner, &ids, ended, ended.at).await?));
    }
    let initiator = ended.initiator.as_str();
    let mark = Write::of(&lease, MARK, true, vec![&owner, &user, &at, &initiator]).await?;
    match lease.commit_after(&[mark, None, None, None]).await {
        // Another server has marked the same user at this moment.
        Err(Trouble::Sql(error)) if rows::is_there_already(&error) => Err(Trouble::Race),
        committed => committed.map(|_| EndedAll::Marked),
    }
}

/// One attempt.
pub(super) async fn write_ends(
    mut lease: Lease,
    after: Option<&TenantId>,
    now: Timestamp,
    at_most: usize,
) -> Result<Option<EndsWritten>, Trouble> {
    let (next, marked) = (lease.prepare(NEXT).await?, lease.prepare(MARKED).await?);
    let after = after.map_or("", TenantId::as_str).as_bytes();
    lease.begins();
    let client = lease.client()?;
    let parameters: [Parameter<'_>; 1] = [&after];
    let (begun, found) = join!(biased; client.begin(""), client.query_opt(&next, &parameters));
    begun?;
    let Some(row) = found? else {
        lease.roll_back().await?;
        return Ok(None);
    };
    let (tenant, user): (&[u8], &[u8]) = (row.try_get(0)?, row.try_get(1)?);
    let (mark, at): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
    let ended = columns::ended(at, row.try_get(4)?)?;
    let limit = columns::rows(at_most.min(logout::ENDS_AT_ONCE));
    let marked = client.query(&marked, &[&tenant, &user, &mark, &at, &limit]).await?;
    let (ids, lengths) = ids_and_lengths(&marked)?;
    let end = logout::in_one_transaction(lengths);
    let of = columns::tenant_of(&text(tenant)?)?;
    let sessions = end_these(lease, tenant, &ids[..end], ended, now).await?;
    Ok(Some(EndsWritten { tenant: of, sessions }))
}

fn ids_and_lengths(rows: &[tokio_postgres::Row]) -> Result<(Vec<&[u8]>, Vec<i64>), Trouble> {
    let ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let lengths = rows.iter().map(|row| row.try_get(1)).collect::<Result<_, _>>()?;
    Ok((ids, lengths))
}

/// Marks are written when they have no session left, and forgotten when ended sessions are.
pub(super) async fn sweep(connections: &Connections, now: i64, ended_since: i64, limit: i64) -> Result<(), StoreError> {
    let written: [Parameter<'_>; 3] = [&now, &MARK_GRACE_MILLIS, &limit];
    connections.attempt(true, |lease| super::changes::change(lease, WRITTEN, written)).await?;
    let forgotten: [Parameter<'_>; 2] = [&ended_since, &limit];
    connections.attempt(true, |lease| super::changes::change(lease, FORGOTTEN, forgotten)).await.map(drop)
}
