-- +goose Up

-- Messages of mailboxes. The audio of each is a blob of its subscriber with the message's id as name.
CREATE TABLE voicemail_messages (
    id            TEXT    NOT NULL PRIMARY KEY,
    tenant_id     TEXT    NOT NULL,
    domain_id     TEXT    NOT NULL,
    subscriber_id TEXT    NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
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
DELETE FROM blobs WHERE EXISTS (SELECT 1 FROM voicemail_messages m WHERE m.subscriber_id = owner_id AND m.id = name);
DROP TABLE voicemail_messages;
