-- Deployed Actions: what tenants have uploaded, and what of it runs at their logins. Every key begins with the tenant.
-- What became of each run is in a file of its own, and so are the bytes of components.

-- Actions, each with the component that was uploaded last.
CREATE TABLE actions (
    number INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    trigger_id TEXT NOT NULL,
    -- Its configuration, the origins that it may reach, its limits.
    settings TEXT NOT NULL,
    -- The draft's bytes, see `components`; none where there was no draft yet.
    draft_digest TEXT,
    draft_size INTEGER,
    -- 'pending', 'building', 'built' or 'failed'.
    draft_status TEXT,
    -- [{"id", "message"}].
    draft_errors TEXT,
    -- What was found out about it when it was built.
    draft_info TEXT,
    draft_updated_at INTEGER,
    draft_built_at INTEGER,
    -- While somebody builds it, when another one may.
    build_until INTEGER,
    -- The id of the version that runs.
    deployed TEXT,
    -- The number of the version that was made last.
    last_version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Counts the changes.
    revision INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX actions_by_id ON actions (tenant, id);

CREATE UNIQUE INDEX actions_by_name ON actions (tenant, name);

-- Whether a draft names a component.
CREATE INDEX actions_by_digest ON actions (tenant, draft_digest) WHERE draft_digest IS NOT NULL;

-- Drafts that are to be built, of all tenants, the oldest first.
CREATE INDEX actions_unbuilt ON actions (draft_updated_at) WHERE draft_status IN ('pending', 'building');

-- The bytes of components, which are in a file of their own under the name `id`. A row is here before its bytes are written there, and for
-- as long as they are.
CREATE TABLE components (
    tenant TEXT NOT NULL,
    -- Their SHA-256.
    digest TEXT NOT NULL,
    -- Of one upload: none is given twice.
    id TEXT NOT NULL,
    size INTEGER NOT NULL,
    -- 'arriving' until they are on the disk, 'kept' for as long as a draft or a version names them, then 'gone' until they are removed.
    state TEXT NOT NULL,
    -- When their upload began.
    since INTEGER NOT NULL,
    PRIMARY KEY (tenant, digest, id)
) STRICT, WITHOUT ROWID;

-- Those that a draft or a version can name: of equal bytes of a tenant one.
CREATE UNIQUE INDEX components_kept ON components (tenant, digest) WHERE state = 'kept';

CREATE UNIQUE INDEX components_by_id ON components (id);

-- The sweep, of all tenants.
CREATE INDEX components_not_kept ON components (since) WHERE state <> 'kept';

-- Components that were deployed. None of them changes.
CREATE TABLE versions (
    -- Not `number`, which is the version's own.
    row INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    action_id TEXT NOT NULL,
    -- From 1, among the Action's.
    number INTEGER NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    info TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    built_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX versions_by_id ON versions (tenant, id);

CREATE UNIQUE INDEX versions_by_number ON versions (tenant, action_id, number);

-- Whether a version names a component.
CREATE INDEX versions_by_digest ON versions (tenant, digest);

-- Which Actions run at a trigger, and in which order.
CREATE TABLE bindings (
    tenant TEXT NOT NULL,
    trigger_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    action_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, trigger_id, position)
) STRICT, WITHOUT ROWID;

-- Whether an Action is bound: once at most.
CREATE UNIQUE INDEX bindings_by_action ON bindings (tenant, action_id);

-- Secrets, sealed by keys that are not in here.
CREATE TABLE secrets (
    tenant TEXT NOT NULL,
    action_id TEXT NOT NULL,
    name TEXT NOT NULL,
    key_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, action_id, name)
) STRICT, WITHOUT ROWID;

-- What a key has sealed, of all tenants.
CREATE INDEX secrets_by_key ON secrets (key_id);

-- What a tenant lets its Actions see and do.
CREATE TABLE policies (
    tenant TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    -- The change of the tenant's flows that it came with.
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The last change of each tenant's flows.
CREATE TABLE flow_revisions (
    tenant TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Whose flows have changed since.
CREATE INDEX flow_revisions_by_revision ON flow_revisions (revision);

-- The last change of all: one row.
CREATE TABLE flow_counter (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;

INSERT INTO flow_counter (id, revision) VALUES (1, 0);
