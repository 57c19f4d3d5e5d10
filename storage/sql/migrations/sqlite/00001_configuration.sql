-- +goose Up

-- One row for each number that only rises: the configuration revision, and the sequence of call detail records.
CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('revision', 1);

-- Every configured resource of every kind. The document is the resource as the API spells it; the other columns are what is
-- searched for or must be unique. Times are microseconds since 1970.
CREATE TABLE resources (
    id          TEXT    NOT NULL PRIMARY KEY,
    kind        TEXT    NOT NULL,
    tenant_id   TEXT    NOT NULL DEFAULT '',
    parent_id   TEXT    NOT NULL DEFAULT '',
    name        TEXT    NOT NULL,
    external_id TEXT,
    enabled     BOOLEAN NOT NULL DEFAULT TRUE,
    revision    BIGINT  NOT NULL,
    created_at  BIGINT  NOT NULL,
    updated_at  BIGINT  NOT NULL,
    document    TEXT    NOT NULL
);
CREATE UNIQUE INDEX resources_name ON resources (kind, tenant_id, parent_id, name);
CREATE UNIQUE INDEX resources_external_id ON resources (kind, tenant_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX resources_page ON resources (kind, tenant_id, id);
CREATE INDEX resources_kind ON resources (kind, id);
CREATE INDEX resources_revision ON resources (revision);

-- Which resource needs which, and by which of its fields.
CREATE TABLE resource_refs (
    from_id TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    pointer TEXT NOT NULL,
    to_id   TEXT NOT NULL REFERENCES resources (id) ON DELETE RESTRICT,
    PRIMARY KEY (from_id, pointer)
) WITHOUT ROWID;
CREATE INDEX resource_refs_to ON resource_refs (to_id, from_id);

CREATE TABLE resource_labels (
    resource_id TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    label       TEXT NOT NULL,
    value       TEXT NOT NULL,
    PRIMARY KEY (resource_id, label)
) WITHOUT ROWID;
CREATE INDEX resource_labels_value ON resource_labels (label, value, resource_id);

CREATE TABLE audit_events (
    id          TEXT   NOT NULL PRIMARY KEY,
    at          BIGINT NOT NULL,
    tenant_id   TEXT   NOT NULL DEFAULT '',
    actor       TEXT   NOT NULL DEFAULT '',
    kind        TEXT   NOT NULL DEFAULT '',
    resource_id TEXT   NOT NULL DEFAULT '',
    document    TEXT   NOT NULL
);
CREATE INDEX audit_events_tenant ON audit_events (tenant_id, id);
CREATE INDEX audit_events_actor ON audit_events (actor, id);
CREATE INDEX audit_events_resource ON audit_events (resource_id, id);

-- Answers to requests that carried an Idempotency-Key.
CREATE TABLE replies (
    actor       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    status      INTEGER NOT NULL,
    header      TEXT    NOT NULL,
    body        BLOB,
    created_at  BIGINT  NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX replies_created_at ON replies (created_at);

INSERT INTO resources (id, kind, tenant_id, parent_id, name, enabled, revision, created_at, updated_at, document)
SELECT 'ten_default', 'tenant', '', '', 'default', TRUE, 1, seconds * 1000000, seconds * 1000000,
       json_object('id', 'ten_default', 'name', 'default', 'enabled', json('true'), 'revision', 1,
                   'created_at', strftime('%Y-%m-%dT%H:%M:%SZ', seconds, 'unixepoch'),
                   'updated_at', strftime('%Y-%m-%dT%H:%M:%SZ', seconds, 'unixepoch'),
                   'require_preconditions', json('false'))
FROM (SELECT CAST(strftime('%s', 'now') AS INTEGER) AS seconds);

-- +goose Down
DROP TABLE replies;
DROP TABLE audit_events;
DROP TABLE resource_labels;
DROP TABLE resource_refs;
DROP TABLE resources;
DROP TABLE counters;
