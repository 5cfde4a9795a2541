-- Times are milliseconds since the Unix epoch. Maps and lists are JSON, in text columns: they may hold an escaped NUL, which JSONB can't.
-- Every key begins with the tenant. Ids are bytes: their order is the same whatever the database's collation is, and no new version of
-- the system's library can change it under an index. To read one: convert_from(id, 'UTF8').

-- Sessions: those that are alive, and what is left of those that have ended, until it is swept.
CREATE TABLE sessions (
    tenant BYTEA NOT NULL,
    -- As the platform names it; `sid` in ID tokens.
    id BYTEA NOT NULL,
    user_id BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    last_interacted_at BIGINT NOT NULL,
    -- From either of these moments on it has ended, whether it was swept or not.
    idle_expires_at BIGINT,
    expires_at BIGINT,
    -- The earlier of the two: what the sweep looks for.
    ends_at BIGINT,
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
    revision BIGINT NOT NULL,
    -- {"sub"}: who acts for the user.
    actor TEXT,
    -- Both, or none: when it ended, and why.
    ended_at BIGINT,
    initiator TEXT,
    -- The last mark of its user when it was created, 0 where there was none; see `user_ends`.
    mark BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- A user's sessions.
CREATE INDEX sessions_by_user ON sessions (tenant, user_id, id) WHERE ended_at IS NULL;

-- The sweep, of all tenants: those whose time is over, and those that have ended for long enough.
CREATE INDEX sessions_by_end ON sessions (ends_at) WHERE ended_at IS NULL AND ends_at IS NOT NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;

-- Marks: all sessions of a user have ended that were alive at that moment. One row, whatever their number. A session has ended by the first
-- mark of its user above its own `mark`. The ends are written to the sessions, with what they owe, some at a time.
CREATE TABLE user_ends (
    tenant BYTEA NOT NULL,
    user_id BYTEA NOT NULL,
    -- Grows with each mark of a user: the time, or the last one and one more.
    mark BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    initiator TEXT NOT NULL,
    -- When the ends had been written to all sessions.
    written_at BIGINT,
    PRIMARY KEY (tenant, user_id, mark)
);

-- Marks whose ends are to be written.
CREATE INDEX user_ends_unwritten ON user_ends (tenant, mark) WHERE written_at IS NULL;

-- The sweep, of all tenants.
CREATE INDEX user_ends_written ON user_ends (written_at) WHERE written_at IS NOT NULL;

-- What each login of a platform was answered, so that it gets the same answer when it is sent again.
CREATE TABLE transactions (
    tenant BYTEA NOT NULL,
    id BYTEA NOT NULL,
    at BIGINT NOT NULL,
    -- SHA-256 of tenant, user, session and client: the answer is for this login and no other.
    request BYTEA NOT NULL,
    answer BYTEA NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- The sweep, of all tenants.
CREATE INDEX transactions_by_time ON transactions (at);

-- The tenants' logs. An entry comes without a position, so that no login waits for another. Whoever reads a tenant's log gives positions
-- to what has been committed until then; see `log_positions`.
CREATE TABLE log (
    tenant BYTEA NOT NULL,
    date BIGINT NOT NULL,
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    position BIGINT,
    -- The code that Auth0's log has.
    kind TEXT NOT NULL,
    -- {"client_id", "user_id", "ip", …}
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, date, id)
);

CREATE UNIQUE INDEX log_by_position ON log (tenant, position);
-- Searches of a tenant's log by kind. Successful logins are most of a log, and found by date, which the primary key begins with.
CREATE INDEX log_by_kind ON log (tenant, kind, date, id) WHERE kind <> 's';
CREATE INDEX log_without_position ON log (tenant, date, id) WHERE position IS NULL;

-- The sweep, of all tenants.
CREATE INDEX log_by_date ON log (date);

-- The last position that was given, of each tenant. Whoever gives positions holds the tenant's row, so that they are given one after the
-- other: what is committed later gets a later one.
CREATE TABLE log_positions (
    tenant BYTEA PRIMARY KEY,
    last BIGINT NOT NULL
);
