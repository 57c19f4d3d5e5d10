-- +goose Up

-- Call detail records. sequence is taken from the counter under its lock, so it rises in the order of commit: whoever has read
-- up to a sequence has missed nothing before it. caller and callee hold at most 255 characters; the document holds all.
CREATE TABLE cdrs (
    sequence         INTEGER NOT NULL PRIMARY KEY,
    id               TEXT    NOT NULL,
    call_id          TEXT    NOT NULL DEFAULT '',
    tenant_id        TEXT    NOT NULL DEFAULT '',
    ingress_trunk_id TEXT    NOT NULL DEFAULT '',
    egress_trunk_id  TEXT    NOT NULL DEFAULT '',
    caller           TEXT    NOT NULL DEFAULT '',
    callee           TEXT    NOT NULL DEFAULT '',
    started_at       BIGINT  NOT NULL,
    end_reason       TEXT    NOT NULL DEFAULT '',
    disposition      TEXT    NOT NULL DEFAULT '',
    document         TEXT    NOT NULL
);
CREATE UNIQUE INDEX cdrs_id ON cdrs (id);
CREATE INDEX cdrs_tenant ON cdrs (tenant_id, sequence);
INSERT INTO counters (name, value) VALUES ('cdr', 0);

-- +goose Down
DROP TABLE cdrs;
DELETE FROM counters WHERE name = 'cdr';
