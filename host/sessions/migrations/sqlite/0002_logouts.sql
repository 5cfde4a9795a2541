-- What the end of a session owes to the applications that took part in it, and who they are. Every key begins with the tenant.

-- Applications.
CREATE TABLE clients (
    number INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Whatever else the Management API shows of it.
    body TEXT NOT NULL,
    -- {"urls", "initiators", "include_session_metadata"}; none where it hears of no end.
    logout TEXT,
    -- 'configuration' or 'management': who has the say.
    source TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Counts the changes.
    revision INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX clients_by_id ON clients (tenant, id);

-- Logout tokens that are to be sent, and those that nobody wanted. What was delivered is gone; the tenant's log tells of it.
CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    -- `jti`: one for all attempts.
    id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    url TEXT NOT NULL,
    -- The URL's origin, with its port: one that is down is in the way of nobody else.
    receiver TEXT NOT NULL,
    initiator TEXT NOT NULL,
    ended_at INTEGER NOT NULL,
    -- The session's, as it was at its end; none where the client doesn't want it.
    metadata TEXT,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    -- When it is to be sent; while somebody sends it, when another one may.
    due_at INTEGER NOT NULL,
    -- Whose it is: what has another claim since is not settled.
    claim TEXT,
    last_error TEXT,
    -- 'pending', 'refused' or 'given_up'.
    state TEXT NOT NULL,
    -- When it was refused or given up.
    finished_at INTEGER
) STRICT;

CREATE UNIQUE INDEX deliveries_by_id ON deliveries (tenant, id);

-- The next one of each receiver; and what a client that hears of no end any more is spared.
CREATE INDEX deliveries_due ON deliveries (tenant, receiver, due_at) WHERE state = 'pending';

-- For operators, the oldest first.
CREATE INDEX deliveries_by_state ON deliveries (state, created_at, tenant, id);

-- The sweep, of all tenants.
CREATE INDEX deliveries_finished ON deliveries (finished_at) WHERE finished_at IS NOT NULL;

-- How far each stream of a tenant's log was sent, and which server sends it.
CREATE TABLE streams (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The last entry that was sent.
    position INTEGER NOT NULL,
    holder TEXT,
    -- From this moment on another server may send it.
    until INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
