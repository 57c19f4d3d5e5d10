-- +goose Up

-- Call detail records. sequence is taken from the counter under its lock, so it rises in the order of commit: whoever has read
-- up to a sequence has missed nothing before it. caller and callee hold at most 255 characters; the document holds all.
CREATE TABLE cdrs (
    sequence         bigint PRIMARY KEY,
    id               text COLLATE "C" NOT NULL,
    call_id          text   NOT NULL DEFAULT '',
    tenant_id        text   NOT NULL DEFAULT '',
    ingress_trunk_id text   NOT NULL DEFAULT '',
    egress_trunk_id  text   NOT NULL DEFAULT '',
    caller           text   NOT NULL DEFAULT '',
    callee           text   NOT NULL DEFAULT '',
    started_at       bigint NOT NULL,
    end_reason       text   NOT NULL DEFAULT '',
    disposition      text   NOT NULL DEFAULT '',
    document         jsonb  NOT NULL
);
CREATE UNIQUE INDEX cdrs_id ON cdrs (id);
CREATE INDEX cdrs_tenant ON cdrs (tenant_id, sequence);
INSERT INTO counters (name, value) VALUES ('cdr', 0);

-- +goose Down
DROP TABLE cdrs;
DELETE FROM counters WHERE name = 'cdr';
