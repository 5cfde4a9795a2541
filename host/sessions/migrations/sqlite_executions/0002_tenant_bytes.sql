-- How many bytes are stored for each tenant of what became of its runs, counted as in the file beside this one.
CREATE TABLE tenant_bytes (
    tenant TEXT NOT NULL PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER executions_inserted AFTER INSERT ON executions BEGIN
    INSERT INTO tenant_bytes (tenant, bytes) VALUES (NEW.tenant,
        256 + octet_length(NEW.id) + octet_length(NEW.actions) + octet_length(NEW.body))
        ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER executions_deleted AFTER DELETE ON executions BEGIN
    UPDATE tenant_bytes SET bytes = bytes
        - (256 + octet_length(OLD.id) + octet_length(OLD.actions) + octet_length(OLD.body))
        WHERE tenant = OLD.tenant;
END;

-- What is there already.
INSERT INTO tenant_bytes (tenant, bytes)
    SELECT tenant, sum(bytes) FROM (
        SELECT tenant, 256 + octet_length(id) + octet_length(actions) + octet_length(body) AS bytes FROM executions
    ) AS stored GROUP BY tenant;
