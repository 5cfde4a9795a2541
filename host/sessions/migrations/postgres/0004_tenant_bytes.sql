-- How many bytes are stored for each tenant: of all columns whose length others choose, and 256 for each row, its short columns and its
-- places in indexes. Triggers count, in the transaction that writes or deletes, so that no statement can forget it. They are for each row:
-- a transition table would copy components. What a tenant has once, and what the configuration alone names (streams), isn't counted.

-- As far as it was added up.
CREATE TABLE tenant_bytes (
    tenant BYTEA PRIMARY KEY,
    bytes BIGINT NOT NULL
);

-- What has changed since. A row for each change: no login waits for another one of its tenant.
CREATE TABLE byte_changes (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant BYTEA NOT NULL,
    bytes BIGINT NOT NULL
);

CREATE FUNCTION count_bytes_of_sessions() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE more BIGINT := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        more := 256 + octet_length(NEW.id) + octet_length(NEW.user_id) + octet_length(NEW.device) + octet_length(NEW.clients)
            + octet_length(NEW.methods) + octet_length(NEW.metadata) + coalesce(octet_length(NEW.actor), 0);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        more := more - (256 + octet_length(OLD.id) + octet_length(OLD.user_id) + octet_length(OLD.device) + octet_length(OLD.clients)
            + octet_length(OLD.methods) + octet_length(OLD.metadata) + coalesce(octet_length(OLD.actor), 0));
    END IF;
    IF more <> 0 THEN
        INSERT INTO byte_changes (tenant, bytes) VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant ELSE NEW.tenant END, more);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER sessions_are_counted AFTER INSERT OR DELETE OR UPDATE OF device, clients, methods, metadata ON sessions
    FOR EACH ROW EXECUTE FUNCTION count_bytes_of_sessions();

CREATE FUNCTION count_bytes_of_user_ends() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE more BIGINT := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        more := 256 + octet_length(NEW.user_id);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        more := more - (256 + octet_length(OLD.user_id));
    END IF;
    IF more <> 0 THEN
        INSERT INTO byte_changes (tenant, bytes) VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant ELSE NEW.tenant END, more);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER user_ends_are_counted AFTER INSERT OR DELETE ON user_ends
    FOR EACH ROW EXECUTE FUNCTION count_bytes_of_user_ends();

CREATE FUNCTION count_bytes_of_transactions() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE more BIGINT := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        more := 256 + octet_length(NEW.id) + octet_length(NEW.answer);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        more := more - (256 + octet_length(OLD.id) + octet_length(OLD.answer));
    END IF;
    IF more <> 0 THEN
        INSERT INTO byte_changes (tenant, bytes) VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant ELSE NEW.tenant END, more);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER transactions_are_counted AFTER INSERT OR DELETE ON transactions
    FOR EACH ROW EXECUTE FUNCTION count_bytes_of_transactions();

CREATE FUNCTION count_bytes_of_log() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE more BIGINT := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        more := 256 + octet_length(NEW.body);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        more := more - (256 + octet_length(OLD.body));
    END IF;
    IF more <> 0 THEN
        INSERT INTO byte_changes (tenant, bytes) VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant ELSE NEW.tenant END, more);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER log_are_counted AFTER INSERT OR DELETE ON log
    FOR EACH ROW EXECUTE FUNCTION count_bytes_of_log();

CREATE FUNCTION count_bytes_of_clients() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE more BIGINT := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        more := 256 + octet_length(NEW.id) + octet_length(NEW.name) + octet_length(NEW.body) + coalesce(octet_length(NEW.logout), 0);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        more := more - (256 + octet_length(OLD.id) + octet_length(OLD.name) + octet_length(OLD.body)
            + coalesce(octet_length(OLD.logout), 0));
    END IF;
    IF more <> 0 THEN
        INSERT INTO byte_changes (tenant, bytes) VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant ELSE NEW.tenant END, more);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER clients_are_counted AFTER INSERT OR DELETE OR UPDATE OF name, body, logout ON clients
    FOR EACH ROW EXECUTE FUNCTION count_bytes_of_clients();

CREATE FUNCTION count_bytes_of_deliveries() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE more BIGINT := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        more := 256 + octet_length(NEW.id) + octet_length(NEW.client_id) + octet_length(NEW.session_id) + octet_length(NEW.user_id)
            + octet_length(NEW.url) + octet_length(NEW.receiver) + coalesce(octet_length(NEW.metadata), 0);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        more := more - (256 + octet_length(OLD.id) + octet_length(OLD.client_id) + octet_length(OLD.session_id)
            + octet_length(OLD.user_id) + octet_length(OLD.url) + octet_length(OLD.receiver) + coalesce(octet_length(OLD.metadata), 0));
    END IF;
    IF more <> 0 THEN
        INSERT INTO byte_changes (tenant, bytes) VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant ELSE NEW.tenant END, more);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER deliveries_are_counted AFTER INSERT OR DELETE ON deliveries
    FOR EACH ROW EXECUTE FUNCTION count_bytes_of_deliveries();

CREATE FUNCTION count_bytes_of_actions() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE more BIGINT := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        more := 256 + octet_length(NEW.id) + octet_length(NEW.name) + octet_length(NEW.settings)
            + coalesce(octet_length(NEW.draft_errors), 0) + coalesce(octet_length(NEW.draft_info), 0);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        more := more - (256 + octet_length(OLD.id) + octet_length(OLD.name) + octet_length(OLD.settings)
            + coalesce(octet_length(OLD.draft_errors), 0) + coalesce(octet_length(OLD.draft_info), 0));
    END IF;
    IF more <> 0 THEN
        INSERT INTO byte_changes (tenant, bytes) VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant ELSE NEW.tenant END, more);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER actions_are_counted AFTER INSERT OR DELETE OR UPDATE OF name, settings, draft_errors, draft_info ON actions
    FOR EACH ROW EXECUTE FUNCTION count_bytes_of_actions();

CREATE FUNCTION count_bytes_of_versions() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE more BIGINT := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        more := 256 + octet_length(NEW.id) + octet_length(NEW.action_id) + octet_length(NEW.info);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        more := more - (256 + octet_length(OLD.id) + octet_length(OLD.action_id) + octet_length(OLD.info));
    END IF;
    IF more <> 0 THEN
        INSERT INTO byte_changes (tenant, bytes) VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant ELSE NEW.tenant END, more);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER versions_are_counted AFTER INSERT OR DELETE ON versions
    FOR EACH ROW EXECUTE FUNCTION count_bytes_of_versions();

CREATE FUNCTION count_bytes_of_bindings() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE more BIGINT := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        more := 256 + octet_length(NEW.id) + octet_length(NEW.action_id) + octet_length(NEW.display_name);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        more := more - (256 + octet_length(OLD.id) + octet_length(OLD.action_id) + octet_length(OLD.display_name));
    END IF;
    IF more <> 0 THEN
        INSERT INTO byte_changes (tenant, bytes) VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant ELSE NEW.tenant END, more);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER bindings_are_counted AFTER INSERT OR DELETE ON bindings
    FOR EACH ROW EXECUTE FUNCTION count_bytes_of_bindings();

CREATE FUNCTION count_bytes_of_secrets() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE more BIGINT := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        more := 256 + octet_length(NEW.action_id) + octet_length(NEW.name) + octet_length(NEW.sealed);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        more := more - (256 + octet_length(OLD.action_id) + octet_length(OLD.name) + octet_length(OLD.sealed));
    END IF;
    IF more <> 0 THEN
        INSERT INTO byte_changes (tenant, bytes) VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant ELSE NEW.tenant END, more);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER secrets_are_counted AFTER INSERT OR DELETE OR UPDATE OF sealed ON secrets
    FOR EACH ROW EXECUTE FUNCTION count_bytes_of_secrets();

CREATE FUNCTION count_bytes_of_policies() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE more BIGINT := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        more := 256 + octet_length(NEW.body);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        more := more - (256 + octet_length(OLD.body));
    END IF;
    IF more <> 0 THEN
        INSERT INTO byte_changes (tenant, bytes) VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant ELSE NEW.tenant END, more);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER policies_are_counted AFTER INSERT OR DELETE OR UPDATE OF body ON policies
    FOR EACH ROW EXECUTE FUNCTION count_bytes_of_policies();

CREATE FUNCTION count_bytes_of_components() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE more BIGINT := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        more := 256 + octet_length(NEW.bytes);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        more := more - (256 + octet_length(OLD.bytes));
    END IF;
    IF more <> 0 THEN
        INSERT INTO byte_changes (tenant, bytes) VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant ELSE NEW.tenant END, more);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER components_are_counted AFTER INSERT OR DELETE ON components
    FOR EACH ROW EXECUTE FUNCTION count_bytes_of_components();

CREATE FUNCTION count_bytes_of_executions() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE more BIGINT := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        more := 256 + octet_length(NEW.id) + octet_length(NEW.actions) + octet_length(NEW.body);
    END IF;
    IF TG_OP <> 'INSERT' THEN
        more := more - (256 + octet_length(OLD.id) + octet_length(OLD.actions) + octet_length(OLD.body));
    END IF;
    IF more <> 0 THEN
        INSERT INTO byte_changes (tenant, bytes) VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant ELSE NEW.tenant END, more);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER executions_are_counted AFTER INSERT OR DELETE ON executions
    FOR EACH ROW EXECUTE FUNCTION count_bytes_of_executions();

-- What is there already. The triggers hold all tables by now: nothing is written meanwhile.
INSERT INTO tenant_bytes (tenant, bytes)
    SELECT tenant, sum(bytes)::bigint FROM (
        SELECT tenant, 256 + octet_length(id) + octet_length(user_id) + octet_length(device) + octet_length(clients)
            + octet_length(methods) + octet_length(metadata) + coalesce(octet_length(actor), 0) AS bytes FROM sessions
        UNION ALL SELECT tenant, 256 + octet_length(user_id) AS bytes FROM user_ends
        UNION ALL SELECT tenant, 256 + octet_length(id) + octet_length(answer) AS bytes FROM transactions
        UNION ALL SELECT tenant, 256 + octet_length(body) AS bytes FROM log
        UNION ALL SELECT tenant, 256 + octet_length(id) + octet_length(name) + octet_length(body)
            + coalesce(octet_length(logout), 0) AS bytes FROM clients
        UNION ALL SELECT tenant, 256 + octet_length(id) + octet_length(client_id) + octet_length(session_id) + octet_length(user_id)
            + octet_length(url) + octet_length(receiver) + coalesce(octet_length(metadata), 0) AS bytes FROM deliveries
        UNION ALL SELECT tenant, 256 + octet_length(id) + octet_length(name) + octet_length(settings)
            + coalesce(octet_length(draft_errors), 0) + coalesce(octet_length(draft_info), 0) AS bytes FROM actions
        UNION ALL SELECT tenant, 256 + octet_length(id) + octet_length(action_id) + octet_length(info) AS bytes FROM versions
        UNION ALL SELECT tenant, 256 + octet_length(id) + octet_length(action_id) + octet_length(display_name) AS bytes FROM bindings
        UNION ALL SELECT tenant, 256 + octet_length(action_id) + octet_length(name) + octet_length(sealed) AS bytes FROM secrets
        UNION ALL SELECT tenant, 256 + octet_length(body) AS bytes FROM policies
        UNION ALL SELECT tenant, 256 + octet_length(bytes) AS bytes FROM components
        UNION ALL SELECT tenant, 256 + octet_length(id) + octet_length(actions) + octet_length(body) AS bytes FROM executions
    ) AS stored GROUP BY tenant;
