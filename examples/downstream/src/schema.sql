-- A tenant's log, as its stream has written it.

-- An entry may come twice: its id is the same.
CREATE TABLE IF NOT EXISTS log (
    id TEXT PRIMARY KEY,
    entry TEXT NOT NULL,
    type TEXT AS (entry ->> '$.type') STORED,
    date TEXT AS (entry ->> '$.date') STORED,
    session_id TEXT AS (entry ->> '$.session_id') STORED
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS log_by_session ON log (session_id, type, date);

-- Sessions: from their first login (`s`) to their end (`slo`), and which applications have heard of
-- that (`sslo`) or have not yet (`fslo`). A login without an organization may go on with a session
-- that has one: then it is in the session's metadata, where the tenant's log has it.
CREATE VIEW IF NOT EXISTS sessions AS
SELECT
    session_id,
    max(entry ->> '$.user_id') AS user_id,
    max(coalesce(entry ->> '$.organization_id', entry ->> '$.session_metadata.org_id')) FILTER (WHERE type = 's') AS organization_id,
    min(date) FILTER (WHERE type = 's') AS began_at,
    max(date) FILTER (WHERE type = 'slo') AS ended_at,
    max(entry ->> '$.details.initiator') FILTER (WHERE type = 'slo') AS ended_by,
    group_concat(DISTINCT entry ->> '$.client_id') FILTER (WHERE type = 'sslo') AS told,
    group_concat(DISTINCT entry ->> '$.client_id') FILTER (WHERE type = 'fslo') AS not_told_at_first
FROM log
WHERE session_id IS NOT NULL
GROUP BY session_id
HAVING began_at IS NOT NULL;
