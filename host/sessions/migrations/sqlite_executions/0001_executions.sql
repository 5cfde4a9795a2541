-- What became of each run of a trigger's Actions. Every key begins with the tenant.
CREATE TABLE executions (
    -- The order in which they were written down; none is given twice.
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    trigger_id TEXT NOT NULL,
    -- 'final', 'partial' or 'canceled'.
    status TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    -- The names of the Actions that have run, as a list.
    actions TEXT NOT NULL,
    -- All else that is told of it.
    body TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX executions_by_id ON executions (tenant, id);

-- A tenant's, the newest first.
CREATE INDEX executions_by_position ON executions (tenant, position);

-- The sweep, of all tenants.
CREATE INDEX executions_by_start ON executions (started_at);

-- How many each tenant has: nobody counts them anew.
CREATE TABLE execution_counts (
    tenant TEXT NOT NULL PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who has too many.
CREATE INDEX execution_counts_by_count ON execution_counts (count);
