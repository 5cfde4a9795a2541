-- How many bytes are stored for each tenant: of all columns whose length others choose, and 256 for each row, its short columns and its
-- places in indexes. Triggers count, in the transaction that writes or deletes, so that no statement can forget it. What a tenant has once,
-- and what the configuration alone names (streams), isn't counted.
CREATE TABLE tenant_bytes (
    tenant TEXT NOT NULL PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER sessions_inserted AFTER INSERT ON sessions BEGIN
    INSERT INTO tenant_bytes (tenant, bytes) VALUES (NEW.tenant,
        256 + octet_length(NEW.id) + octet_length(NEW.user_id) + octet_length(NEW.device) + octet_length(NEW.clients)
            + octet_length(NEW.methods) + octet_length(NEW.metadata) + coalesce(octet_length(NEW.actor), 0))
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER sessions_updated AFTER UPDATE OF device, clients, methods, metadata ON sessions BEGIN
    UPDATE tenant_bytes SET bytes = bytes + octet_length(NEW.device) + octet_length(NEW.clients) + octet_length(NEW.methods)
            + octet_length(NEW.metadata)
        - (octet_length(OLD.device) + octet_length(OLD.clients) + octet_length(OLD.methods) + octet_length(OLD.metadata))
        WHERE tenant = NEW.tenant;
END;

CREATE TRIGGER sessions_deleted AFTER DELETE ON sessions BEGIN
    UPDATE tenant_bytes SET bytes = bytes
        - (256 + octet_length(OLD.id) + octet_length(OLD.user_id) + octet_length(OLD.device) + octet_length(OLD.clients)
            + octet_length(OLD.methods) + octet_length(OLD.metadata) + coalesce(octet_length(OLD.actor), 0))
        WHERE tenant = OLD.tenant;
END;

CREATE TRIGGER user_ends_inserted AFTER INSERT ON user_ends BEGIN
    INSERT INTO tenant_bytes (tenant, bytes) VALUES (NEW.tenant,
        256 + octet_length(NEW.user_id))
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER user_ends_deleted AFTER DELETE ON user_ends BEGIN
    UPDATE tenant_bytes SET bytes = bytes
        - (256 + octet_length(OLD.user_id))
        WHERE tenant = OLD.tenant;
END;

CREATE TRIGGER transactions_inserted AFTER INSERT ON transactions BEGIN
    INSERT INTO tenant_bytes (tenant, bytes) VALUES (NEW.tenant,
        256 + octet_length(NEW.id) + octet_length(NEW.answer))
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER transactions_deleted AFTER DELETE ON transactions BEGIN
    UPDATE tenant_bytes SET bytes = bytes
        - (256 + octet_length(OLD.id) + octet_length(OLD.answer))
        WHERE tenant = OLD.tenant;
END;

CREATE TRIGGER log_inserted AFTER INSERT ON log BEGIN
    INSERT INTO tenant_bytes (tenant, bytes) VALUES (NEW.tenant,
        256 + octet_length(NEW.body))
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER log_deleted AFTER DELETE ON log BEGIN
    UPDATE tenant_bytes SET bytes = bytes
        - (256 + octet_length(OLD.body))
        WHERE tenant = OLD.tenant;
END;

CREATE TRIGGER clients_inserted AFTER INSERT ON clients BEGIN
    INSERT INTO tenant_bytes (tenant, bytes) VALUES (NEW.tenant,
        256 + octet_length(NEW.id) + octet_length(NEW.name) + octet_length(NEW.body) + coalesce(octet_length(NEW.logout), 0))
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER clients_updated AFTER UPDATE OF name, body, logout ON clients BEGIN
    UPDATE tenant_bytes SET bytes = bytes + octet_length(NEW.name) + octet_length(NEW.body) + coalesce(octet_length(NEW.logout), 0)
        - (octet_length(OLD.name) + octet_length(OLD.body) + coalesce(octet_length(OLD.logout), 0))
        WHERE tenant = NEW.tenant;
END;

CREATE TRIGGER clients_deleted AFTER DELETE ON clients BEGIN
    UPDATE tenant_bytes SET bytes = bytes
        - (256 + octet_length(OLD.id) + octet_length(OLD.name) + octet_length(OLD.body) + coalesce(octet_length(OLD.logout), 0))
        WHERE tenant = OLD.tenant;
END;

CREATE TRIGGER deliveries_inserted AFTER INSERT ON deliveries BEGIN
    INSERT INTO tenant_bytes (tenant, bytes) VALUES (NEW.tenant,
        256 + octet_length(NEW.id) + octet_length(NEW.client_id) + octet_length(NEW.session_id) + octet_length(NEW.user_id)
            + octet_length(NEW.url) + octet_length(NEW.receiver) + coalesce(octet_length(NEW.metadata), 0))
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER deliveries_deleted AFTER DELETE ON deliveries BEGIN
    UPDATE tenant_bytes SET bytes = bytes
        - (256 + octet_length(OLD.id) + octet_length(OLD.client_id) + octet_length(OLD.session_id) + octet_length(OLD.user_id)
            + octet_length(OLD.url) + octet_length(OLD.receiver) + coalesce(octet_length(OLD.metadata), 0))
        WHERE tenant = OLD.tenant;
END;

CREATE TRIGGER actions_inserted AFTER INSERT ON actions BEGIN
    INSERT INTO tenant_bytes (tenant, bytes) VALUES (NEW.tenant,
        256 + octet_length(NEW.id) + octet_length(NEW.name) + octet_length(NEW.settings) + coalesce(octet_length(NEW.draft_errors), 0)
            + coalesce(octet_length(NEW.draft_info), 0))
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER actions_updated AFTER UPDATE OF name, settings, draft_errors, draft_info ON actions BEGIN
    UPDATE tenant_bytes SET bytes = bytes + octet_length(NEW.name) + octet_length(NEW.settings)
            + coalesce(octet_length(NEW.draft_errors), 0) + coalesce(octet_length(NEW.draft_info), 0)
        - (octet_length(OLD.name) + octet_length(OLD.settings) + coalesce(octet_length(OLD.draft_errors), 0)
            + coalesce(octet_length(OLD.draft_info), 0))
        WHERE tenant = NEW.tenant;
END;

CREATE TRIGGER actions_deleted AFTER DELETE ON actions BEGIN
    UPDATE tenant_bytes SET bytes = bytes
        - (256 + octet_length(OLD.id) + octet_length(OLD.name) + octet_length(OLD.settings) + coalesce(octet_length(OLD.draft_errors), 0)
            + coalesce(octet_length(OLD.draft_info), 0))
        WHERE tenant = OLD.tenant;
END;

CREATE TRIGGER versions_inserted AFTER INSERT ON versions BEGIN
    INSERT INTO tenant_bytes (tenant, bytes) VALUES (NEW.tenant,
        256 + octet_length(NEW.id) + octet_length(NEW.action_id) + octet_length(NEW.info))
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER versions_deleted AFTER DELETE ON versions BEGIN
    UPDATE tenant_bytes SET bytes = bytes
        - (256 + octet_length(OLD.id) + octet_length(OLD.action_id) + octet_length(OLD.info))
        WHERE tenant = OLD.tenant;
END;

CREATE TRIGGER bindings_inserted AFTER INSERT ON bindings BEGIN
    INSERT INTO tenant_bytes (tenant, bytes) VALUES (NEW.tenant,
        256 + octet_length(NEW.id) + octet_length(NEW.action_id) + octet_length(NEW.display_name))
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER bindings_deleted AFTER DELETE ON bindings BEGIN
    UPDATE tenant_bytes SET bytes = bytes
        - (256 + octet_length(OLD.id) + octet_length(OLD.action_id) + octet_length(OLD.display_name))
        WHERE tenant = OLD.tenant;
END;

CREATE TRIGGER secrets_inserted AFTER INSERT ON secrets BEGIN
    INSERT INTO tenant_bytes (tenant, bytes) VALUES (NEW.tenant,
        256 + octet_length(NEW.action_id) + octet_length(NEW.name) + octet_length(NEW.sealed))
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER secrets_updated AFTER UPDATE OF sealed ON secrets BEGIN
    UPDATE tenant_bytes SET bytes = bytes + octet_length(NEW.sealed)
        - (octet_length(OLD.sealed))
        WHERE tenant = NEW.tenant;
END;

CREATE TRIGGER secrets_deleted AFTER DELETE ON secrets BEGIN
    UPDATE tenant_bytes SET bytes = bytes
        - (256 + octet_length(OLD.action_id) + octet_length(OLD.name) + octet_length(OLD.sealed))
        WHERE tenant = OLD.tenant;
END;

CREATE TRIGGER policies_inserted AFTER INSERT ON policies BEGIN
    INSERT INTO tenant_bytes (tenant, bytes) VALUES (NEW.tenant,
        256 + octet_length(NEW.body))
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER policies_updated AFTER UPDATE OF body ON policies BEGIN
    UPDATE tenant_bytes SET bytes = bytes + octet_length(NEW.body)
        - (octet_length(OLD.body))
        WHERE tenant = NEW.tenant;
END;

CREATE TRIGGER policies_deleted AFTER DELETE ON policies BEGIN
    UPDATE tenant_bytes SET bytes = bytes
        - (256 + octet_length(OLD.body))
        WHERE tenant = OLD.tenant;
END;

CREATE TRIGGER components_inserted AFTER INSERT ON components BEGIN
    INSERT INTO tenant_bytes (tenant, bytes) VALUES (NEW.tenant,
        256 + NEW.size)
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER components_deleted AFTER DELETE ON components BEGIN
    UPDATE tenant_bytes SET bytes = bytes
        - (256 + OLD.size)
        WHERE tenant = OLD.tenant;
END;

-- What is there already.
INSERT INTO tenant_bytes (tenant, bytes)
    SELECT tenant, sum(bytes) FROM (
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
        UNION ALL SELECT tenant, 256 + size AS bytes FROM components
    ) AS stored GROUP BY tenant;
