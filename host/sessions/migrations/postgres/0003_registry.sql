-- Deployed Actions: what tenants have uploaded, what of it runs at their logins, and what became of each run. Every key begins with the
-- tenant. Ids, names and digests, as text, are bytes.

-- Whoever changes anything of what a tenant has deployed holds the tenant's row here, so that one change comes after the other: no two
-- of them see the same number of Actions, the same deployed version, or a component that the other one removes.
CREATE TABLE flow_revisions (
    tenant BYTEA PRIMARY KEY,
    -- The last change of what runs at the tenant's logins; 0 where there was none yet.
    revision BIGINT NOT NULL
);

-- Whose flows have changed, of all tenants.
CREATE INDEX flow_revisions_in_order ON flow_revisions (revision);

-- One row: the last revision that was given, to whichever tenant. It is the last that a change locks, and it is locked until the change is
-- committed: no revision appears behind one that was read.
CREATE TABLE flow_counter (
    id INTEGER PRIMARY KEY,
    revision BIGINT NOT NULL
);

INSERT INTO flow_counter (id, revision) VALUES (1, 0);

-- Actions, each with its draft: the component that was uploaded last.
CREATE TABLE actions (
    tenant BYTEA NOT NULL,
    id BYTEA NOT NULL,
    name BYTEA NOT NULL,
    -- 'post-login'.
    trigger_id TEXT NOT NULL,
    -- How it runs: {"configuration", "allowed_origins", …}
    settings TEXT NOT NULL,
    -- The draft's SHA-256, and how many bytes it has. None of the draft's columns where there is none.
    draft_digest BYTEA,
    draft_size BIGINT,
    -- 'pending', 'building', 'built' or 'failed'.
    draft_status TEXT,
    -- [{"id", "message"}]
    draft_errors TEXT,
    -- {"contract", "capabilities", "plumbing", "name", "version", "build"}, when it was built.
    draft_info TEXT,
    draft_updated_at BIGINT,
    draft_built_at BIGINT,
    -- While somebody builds it: when another one may.
    build_until BIGINT,
    -- The version that runs.
    deployed BYTEA,
    -- The number of the version that was made last; 0 where there is none.
    last_version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- Counts the changes.
    revision BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE UNIQUE INDEX actions_by_name ON actions (tenant, name);

-- Whether a component is anybody's draft.
CREATE INDEX actions_by_draft ON actions (tenant, draft_digest) WHERE draft_digest IS NOT NULL;

-- What is to be built, of all tenants.
CREATE INDEX actions_unbuilt ON actions (draft_updated_at) WHERE draft_status IN ('pending', 'building');

-- Components, each once in its tenant.
CREATE TABLE components (
    tenant BYTEA NOT NULL,
    -- SHA-256 of its bytes.
    digest BYTEA NOT NULL,
    bytes BYTEA NOT NULL,
    -- Whether a draft or a version names it. What none names is not there for anybody, and is removed by the sweep.
    is_kept BOOLEAN NOT NULL,
    PRIMARY KEY (tenant, digest)
);

-- The sweep, of all tenants.
CREATE INDEX components_not_kept ON components (tenant, digest) WHERE NOT is_kept;

-- Components that were deployed once.
CREATE TABLE versions (
    tenant BYTEA NOT NULL,
    action_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    -- 1, 2, 3 … of its Action's.
    number BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    size BIGINT NOT NULL,
    info TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    built_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, action_id, id)
);

CREATE UNIQUE INDEX versions_by_number ON versions (tenant, action_id, number);

-- Whether a component is any version's.
CREATE INDEX versions_by_digest ON versions (tenant, digest);

-- The Actions' secrets, sealed.
CREATE TABLE secrets (
    tenant BYTEA NOT NULL,
    action_id BYTEA NOT NULL,
    name BYTEA NOT NULL,
    -- The id of the key that has sealed it.
    key_id BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, action_id, name)
);

-- What a key has sealed, of all tenants.
CREATE INDEX secrets_by_key ON secrets (key_id);

-- What runs at each trigger, in its order. An Action is bound to its own trigger, once.
CREATE TABLE bindings (
    tenant BYTEA NOT NULL,
    action_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    trigger_id TEXT NOT NULL,
    -- 0, 1, 2 …
    place BIGINT NOT NULL,
    display_name BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, action_id)
);

CREATE INDEX bindings_in_order ON bindings (tenant, trigger_id, place);

-- What each tenant lets its Actions see and do.
CREATE TABLE policies (
    tenant BYTEA PRIMARY KEY,
    body TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- The change that made it so.
    revision BIGINT NOT NULL
);

-- What became of each run of a trigger's Actions. They are written without waiting for the disk.
CREATE TABLE executions (
    tenant BYTEA NOT NULL,
    -- 1, 2, 3 … of its tenant's: the greatest is the newest.
    position BIGINT NOT NULL,
    id BYTEA NOT NULL,
    trigger_id TEXT NOT NULL,
    -- 'final', 'partial' or 'canceled'.
    status TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    -- The names of the Actions that have run: ["crm-sync"]
    actions TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, position)
);

CREATE UNIQUE INDEX executions_by_id ON executions (tenant, id);

-- The sweep, of all tenants.
CREATE INDEX executions_by_time ON executions (started_at);

-- The last position that was given, of each tenant: what lies too far behind it is too much.
CREATE TABLE execution_positions (
    tenant BYTEA PRIMARY KEY,
    last BIGINT NOT NULL
);
