-- Times are milliseconds since the Unix epoch. Maps and lists are JSON. Every key begins with the tenant.

-- Sessions: those that are alive, and what is left of those that have ended, until it is swept.
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    -- As the platform names it; `sid` in ID tokens.
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    authenticated_at INTEGER NOT NULL,
    last_interacted_at INTEGER NOT NULL,
    -- From either of these moments on it has ended, whether it was swept or not.
    idle_expires_at INTEGER,
    expires_at INTEGER,
    -- The earlier of the two: what the sweep looks for.
    ends_at INTEGER,
    -- {"initial_user_agent", "initial_ip", "initial_asn", "last_user_agent", "last_ip", "last_asn"}
    device TEXT NOT NULL,
    -- [{"client_id"}], in the order in which they came.
    clients TEXT NOT NULL,
    -- [{"name", "timestamp", "type"}]
    methods TEXT NOT NULL,
    -- 'persistent' or 'non-persistent'.
    cookie TEXT,
    -- {"key": "value"}: at most 25.
    metadata TEXT NOT NULL,
    -- Counts the changes.
    revision INTEGER NOT NULL,
    -- {"sub"}: who acts for the user.
    actor TEXT,
    -- Both, or none: when it ended, and why.
    ended_at INTEGER,
    initiator TEXT,
    -- The last mark of its user when it was created, 0 where there was none; see `user_ends`.
    mark INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX sessions_by_id ON sessions (tenant, id);

-- A user's sessions.
CREATE INDEX sessions_by_user ON sessions (tenant, user_id, id) WHERE ended_at IS NULL;

-- The sweep, of all tenants: those whose time is over, and those that have ended for long enough.
CREATE INDEX sessions_by_end ON sessions (ends_at) WHERE ended_at IS NULL AND ends_at IS NOT NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;

-- Marks: all sessions of a user have ended that were alive at that moment. One row, whatever their number. A session has ended by the first
-- mark of its user above its own `mark`. The ends are written to the sessions, with what they owe, some at a time.
CREATE TABLE user_ends (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- Grows with each mark of a user: the time, or the last one and one more.
    mark INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    initiator TEXT NOT NULL,
    -- When the ends had been written to all sessions.
    written_at INTEGER,
    PRIMARY KEY (tenant, user_id, mark)
) STRICT, WITHOUT ROWID;

-- Marks whose ends are to be written.
CREATE INDEX user_ends_unwritten ON user_ends (tenant, mark) WHERE written_at IS NULL;

-- The sweep, of all tenants.
CREATE INDEX user_ends_written ON user_ends (written_at) WHERE written_at IS NOT NULL;

-- What each login of a platform was answered, so that it gets the same answer when it is sent again. New rows come at the table's end:
-- answers are long, and their ids come in any order.
CREATE TABLE transactions (
    number INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- SHA-256 of tenant, user, session and client: the answer is for this login and no other.
    request BLOB NOT NULL,
    answer TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX transactions_by_id ON transactions (tenant, id);

-- The sweep, of all tenants.
CREATE INDEX transactions_by_time ON transactions (at);

-- The tenants' logs. There is one writer, so a position that is seen is above all that were seen before; and none is given twice, even
-- when the newest entries were swept.
CREATE TABLE log (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    -- The code that Auth0's log has.
    kind TEXT NOT NULL,
    date INTEGER NOT NULL,
    -- {"client_id", "user_id", "ip", …}
    body TEXT NOT NULL
) STRICT;

-- A tenant's log in the order of its positions, which every index ends with.
CREATE INDEX log_by_tenant ON log (tenant);

-- Searches of a tenant's log: by date, and by kind. Successful logins are most of a log, and found by date.
CREATE INDEX log_by_tenant_and_date ON log (tenant, date);
CREATE INDEX log_by_kind ON log (tenant, kind, date) WHERE kind <> 's';

-- The sweep, of all tenants.
CREATE INDEX log_by_date ON log (date);
