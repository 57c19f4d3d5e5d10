-- +goose Up

-- One row for each number that only rises: the configuration revision, and the sequence of call detail records. Its lock is
-- what makes writers follow one another.
CREATE TABLE counters (
    name  text   PRIMARY KEY,
    value bigint NOT NULL
);
INSERT INTO counters (name, value) VALUES ('revision', 1);

-- Every configured resource of every kind. The document is the resource as the API spells it; the other columns are what is
-- searched for or must be unique. Times are microseconds since 1970. Identifiers are compared byte by byte, so that pages come
-- in the same order whatever the database's language.
CREATE TABLE resources (
    id          text COLLATE "C" PRIMARY KEY,
    kind        text    NOT NULL,
    tenant_id   text    NOT NULL DEFAULT '',
    parent_id   text    NOT NULL DEFAULT '',
    name        text    NOT NULL,
    external_id text,
    enabled     boolean NOT NULL DEFAULT TRUE,
    revision    bigint  NOT NULL,
    created_at  bigint  NOT NULL,
    updated_at  bigint  NOT NULL,
    document    jsonb   NOT NULL
);
CREATE UNIQUE INDEX resources_name ON resources (kind, tenant_id, parent_id, name);
CREATE UNIQUE INDEX resources_external_id ON resources (kind, tenant_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX resources_page ON resources (kind, tenant_id, id);
CREATE INDEX resources_kind ON resources (kind, id);
CREATE INDEX resources_revision ON resources (revision);

-- Which resource needs which, and by which of its fields.
CREATE TABLE resource_refs (
    from_id text COLLATE "C" NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    pointer text NOT NULL,
    to_id   text COLLATE "C" NOT NULL REFERENCES resources (id) ON DELETE RESTRICT,
    PRIMARY KEY (from_id, pointer)
);
CREATE INDEX resource_refs_to ON resource_refs (to_id, from_id);

CREATE TABLE resource_labels (
    resource_id text COLLATE "C" NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    label       text NOT NULL,
    value       text NOT NULL,
    PRIMARY KEY (resource_id, label)
);
CREATE INDEX resource_labels_value ON resource_labels (label, value, resource_id);

CREATE TABLE audit_events (
    id          text COLLATE "C" PRIMARY KEY,
    at          bigint NOT NULL,
    tenant_id   text   NOT NULL DEFAULT '',
    actor       text   NOT NULL DEFAULT '',
    kind        text   NOT NULL DEFAULT '',
    resource_id text   NOT NULL DEFAULT '',
    document    jsonb  NOT NULL
);
CREATE INDEX audit_events_tenant ON audit_events (tenant_id, id);
CREATE INDEX audit_events_actor ON audit_events (actor, id);
CREATE INDEX audit_events_resource ON audit_events (resource_id, id);

-- Answers to requests that carried an Idempotency-Key.
CREATE TABLE replies (
    actor       text    NOT NULL,
    key         text    NOT NULL,
    fingerprint text    NOT NULL,
    status      integer NOT NULL,
    header      text    NOT NULL,
    body        bytea,
    created_at  bigint  NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX replies_created_at ON replies (created_at);

INSERT INTO resources (id, kind, tenant_id, parent_id, name, enabled, revision, created_at, updated_at, document)
SELECT 'ten_default', 'tenant', '', '', 'default', TRUE, 1, seconds * 1000000, seconds * 1000000,
       jsonb_build_object('id', 'ten_default', 'name', 'default', 'enabled', TRUE, 'revision', 1,
                          'created_at', to_char(to_timestamp(seconds) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                          'updated_at', to_char(to_timestamp(seconds) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                          'require_preconditions', FALSE)
FROM (SELECT floor(extract(epoch FROM now()))::bigint AS seconds) AS clock;

-- +goose Down
DROP TABLE replies;
DROP TABLE audit_events;
DROP TABLE resource_labels;
DROP TABLE resource_refs;
DROP TABLE resources;
DROP TABLE counters;
