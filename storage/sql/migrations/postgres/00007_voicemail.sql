-- +goose Up

-- Messages of mailboxes. The audio of each is a blob of its subscriber with the message's id as name.
CREATE TABLE voicemail_messages (
    id            TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id     TEXT    COLLATE "C" NOT NULL,
    domain_id     TEXT    COLLATE "C" NOT NULL,
    subscriber_id TEXT    COLLATE "C" NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    call_id       TEXT    NOT NULL,
    caller        TEXT    NOT NULL,
    caller_name   TEXT    NOT NULL,
    received_at   BIGINT  NOT NULL,
    expires_at    BIGINT  NOT NULL,
    duration_ms   BIGINT  NOT NULL,
    bytes         BIGINT  NOT NULL,
    heard         BOOLEAN NOT NULL
);
CREATE INDEX voicemail_messages_mailbox ON voicemail_messages (subscriber_id, id);
CREATE INDEX voicemail_messages_expiry ON voicemail_messages (expires_at);

-- +goose Down
DELETE FROM blobs b USING voicemail_messages m WHERE b.owner_id = m.subscriber_id AND b.name = m.id;
DROP TABLE voicemail_messages;
