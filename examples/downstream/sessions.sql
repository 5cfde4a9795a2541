-- Which sessions of an organization (`:organization`) were alive on a day, and which have been
-- revoked? The day is UTC's: `:day`, or yesterday.
WITH asked AS (SELECT date(coalesce(:day, date('now', '-1 day'))) AS day)
SELECT
    session_id,
    user_id,
    began_at,
    ended_at,
    CASE
        WHEN ended_at IS NULL THEN 'alive'
        WHEN ended_by = 'session-revoked' THEN 'revoked'
        ELSE ended_by
    END AS state,
    told
FROM sessions, asked
WHERE organization_id = :organization
  AND began_at < date(day, '+1 day')
  AND (ended_at IS NULL OR ended_at >= day)
ORDER BY began_at, session_id;
